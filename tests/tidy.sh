#!/usr/bin/env bash
# Static analysis by three programs that see different things; findings are printed, and fail.
set -uo pipefail
cd "$(dirname "$0")/.."
status=0
read -ra flags <<<"-std=c17 -D_GNU_SOURCE -fopenmp ${PKG_CFLAGS:-$(pkg-config --cflags gsl jansson)}"
sources=(model/*.c prefix/*.c evolve/*.c rater/*.c experiments/*/*.c)
for tool in clang-tidy-14 clang-tidy; do command -v $tool >/dev/null && break; done
files=()
for f in "${sources[@]}"; do [ -e "$f" ] && files+=("$f"); done
echo "-- clang-tidy"
"$tool" --quiet --warnings-as-errors='*' \
    --checks='-*,bugprone-*,clang-analyzer-*,-bugprone-easily-swappable-parameters,-bugprone-narrowing-conversions,-bugprone-implicit-widening-of-multiplication-result,-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling,-bugprone-reserved-identifier,-bugprone-macro-parentheses' \
    "${files[@]}" -- "${flags[@]}" -DKERNEL_SET=generic 2>/dev/null || status=1
echo "-- cppcheck"
cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr --error-exitcode=1 \
    --suppress=missingIncludeSystem --suppress=unknownMacro -DKERNEL_SET=generic "${files[@]}" || status=1
exit $status
