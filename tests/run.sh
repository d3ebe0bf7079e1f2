#!/usr/bin/env bash
# Runs every test program and every command-line test; says at the end how many passed, failed and
# were skipped. The exit status is the truth. ONLY=name runs one.
set -uo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build/release}
export LAMARCK="$PWD/$build/lamarck" LAMARCK_BUILD="$PWD/$build"
[ "${build#/}" = "$build" ] || export LAMARCK="$build/lamarck" LAMARCK_BUILD="$build"
# libgomp and oneDNN keep pools until the end of the process.
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:allocator_may_return_null=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export LSAN_OPTIONS=${LSAN_OPTIONS:-suppressions=$PWD/tests/lsan.supp:print_suppressions=0}

passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
run() { # NAME COMMAND...
    local name=$1 start status
    shift
    [ -z "${ONLY:-}" ] || [ "$ONLY" = "$name" ] || return 0
    start=$(date +%s)
    "$@" </dev/null 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    skipped=$((skipped + $(grep -cE '^(\[  SKIPPED \] [a-z]|SKIP )' "$log")))
    if [ "$status" = 0 ]; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "FAILED: $name (exit $status)"
    fi
    echo "-- $name: $(($(date +%s) - start)) s"
}
for program in "$build"/tests/test_*; do
    case $program in *.o | *.d) continue ;; esac
    [ -f "tests/$(basename "$program").c" ] || continue
    run "$(basename "$program")" "$program"
done
for script in tests/cli/*.sh; do
    [ -e "$script" ] && run "$(basename "$script" .sh)" bash "$script"
done
echo
[ $((passed + failed)) -gt 0 ] || { echo "no test was run"; exit 1; }
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
