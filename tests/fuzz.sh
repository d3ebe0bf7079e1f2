#!/usr/bin/env bash
# Runs the named fuzzers one after the other, FUZZ_SECONDS each, on a corpus in the build folder
# that starts from tests/corpus/NAME (tests/invalid/NAME holds what once crashed).
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-60}
passed=0
for name in "$@"; do
    corpus=$FUZZ_BUILD/corpus/$name
    mkdir -p "$corpus"
    seeds=()
    for d in "tests/corpus/$name" "tests/invalid/$name"; do [ -d "$d" ] && seeds+=("$d"); done
    echo "-- $name for $seconds s"
    ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=1 \
        "$FUZZ_BUILD/tests/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -malloc_limit_mb=1024 -max_len=65536 -print_final_stats=1 \
        -artifact_prefix="$FUZZ_BUILD/crash-$name-" "$corpus" "${seeds[@]}" 2>&1 |
        grep -vE '^(#[0-9]+\s+(NEW|REDUCE|pulse|RELOAD)|"|######)' | tail -n 40
    passed=$((passed + 1))
done
echo "$passed fuzzers ran without a finding"
