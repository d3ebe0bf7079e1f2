#!/usr/bin/env bash
# One line for each optional part: found or not, and what it is for.
set -uo pipefail
found() { # NAME PURPOSE PATH-OR-EMPTY
    if [ -n "$3" ]; then printf '  ✓ %-12s %s (%s)\n' "$1" "$2" "$3"
    else printf '  ✗ %-12s %s: not found, left out\n' "$1" "$2"; fi
}
nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null || true)
found nvcc    'CUDA backend (planned)' "$nvcc"
found mpicc   'islands over MPI (planned)' "$(command -v mpicc || true)"
found gnuplot 'plots in report.html' "$(command -v gnuplot || true)"
found chromium 'the rating page in a browser (tests)' "$(command -v chromium || command -v google-chrome || true)"
found clang   'fuzzers' "$(command -v clang || command -v clang-14 || true)"
