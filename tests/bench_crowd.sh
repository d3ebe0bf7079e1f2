#!/usr/bin/env bash
# A day of simulated crowd: BENCH_RATERS (200) raters give BENCH_RATINGS (50,000) ratings over HTTP
# on loopback, the server is killed (SIGKILL) after every BENCH_KILL_EVERY (500) of them, and what
# the raters were told is held against the store. Then as many again without kills and without
# pauses, a tenth at the raters' pace with all of those in the store, and the whole loop of a run
# (generate, ask, answer, aggregate, select) in an empty store, in that one, and in one with
# BENCH_EARLIER (100,000) ratings about the run's own question, as long searches leave them.
#
#   BENCH_RATERS=200 BENCH_RATINGS=50000 BENCH_KILL_EVERY=500; BENCH_RATINGS=0: the loop alone
#   BENCH_SPEED=10     seconds of a rater, who takes 7 for a rating, that pass in one
#   BENCH_DIR=/tmp     where the stores are: the disk is part of what is measured, since an answer
#                      is sent when it is on it. sync_p50_ms, sync_p99_ms: 200 writes of 8 KiB with
#                      fdatasync there, just before
#   BENCH_CSV=experiments/results/crowd.csv
#
# Latencies are the client's: from the start of a request to the end of its answer, of requests
# that were answered when they were sent first. Those that met a killed server are counted as
# retries. others_percent says what else kept the machine busy: with more than a few per cent there
# the high quantiles say little about us, unless the priority keeps others away:
#   chrt -r 1 make bench BENCH=crowd
set -euo pipefail
cd "$(dirname "$0")/.."
LAMARCK_MODEL=$PWD/tests/data/tiny-f32.gguf # nothing here depends on the model
# shellcheck source=tests/bench_common.sh
. tests/bench_common.sh
folder=$(mktemp -d -p "${BENCH_DIR:-${TMPDIR:-/tmp}}")
trap 'rm -rf "$scratch" "$folder"' EXIT
export LAMARCK=$program
raters=${BENCH_RATERS:-200} ratings=${BENCH_RATINGS:-50000} every=${BENCH_KILL_EVERY:-500}
speed=${BENCH_SPEED:-10} earlier=${BENCH_EARLIER:-100000} csv=${BENCH_CSV:-experiments/results/crowd.csv}
columns=date,commit,cpu,threads,what,raters,in_store_before,ratings,kills,seconds,ratings_per_second,next_p50_ms,next_p99_ms,next_most_ms,answer_p50_ms,answer_p99_ms,answer_most_ms,retries,lost,doubled,down_seconds,server_cpu_ms_per_rating,disk,sync_p50_ms,sync_p99_ms,priority,others_percent

field() { # NAME...: from the JSON in $scratch/out
    python3 -c 'import json, sys
v = json.load(open(sys.argv[1]))
for k in sys.argv[2:]: v = v[k]
print(round(v, 3) if isinstance(v, float) else v)' "$scratch/out" "$@"
}
# What the disk takes to be sure, now: "p50,p99".
probe_disk() {
    python3 -c 'import os, sys, time
path, took = os.path.join(sys.argv[1], "probe"), []
with open(path, "wb") as f:
    for _ in range(200):
        f.write(bytes(8192))
        f.flush()
        began = time.perf_counter()
        os.fdatasync(f.fileno())
        took.append(1e3 * (time.perf_counter() - began))
os.unlink(path)
took.sort()
print(f"{took[99]:.3f},{took[197]:.3f}")' "$folder"
}
disk=$(stat -f -c %T "$folder")
priority="$(chrt -p $$ | awk '/policy/ { print $NF }') $(nice)"

row() { # WHAT, and the cells after it
    local what=$1 IFS=,
    shift
    printf '%s,%s,"%s",%s,"%s",%s\n' "$(date -u +%FT%TZ)" "$commit" "$cpu" "$threads" "$what" \
        "$*" >>"$scratch/rows"
}

stored=0
crowd() { # WHAT RATINGS EVERY SPEED
    local sync
    sync=$(probe_disk)
    observe python3 tests/crowd_kills.py --raters "$raters" --ratings "$2" --every "$3" \
        --speed "$4" --keep "$folder/crowd"
    local seconds
    seconds=$(field seconds)
    row "$1" "$raters" "$stored" "$2" "$(field kills)" "$seconds" "$(awk -v n="$2" -v s="$seconds" 'BEGIN { printf "%.1f", n / s }')" \
        "$(field next p50_ms)" "$(field next p99_ms)" "$(field next max_ms)" \
        "$(field ratings p50_ms)" "$(field ratings p99_ms)" "$(field ratings max_ms)" \
        "$(field retries)" "$(field lost)" "$(field doubled)" "$(field down_seconds)" \
        "$(field server_cpu_ms_per_rating)" "$disk" "$sync" "$priority" "$others_percent"
    printf '%-28s %6d ratings, %3d kills, %6.1f s: %d lost, %d doubled; next p50 %s p99 %s ms, answer p50 %s p99 %s ms; fdatasync p50,p99 %s ms; others %s %%\n' \
        "$1" "$2" "$(field kills)" "$seconds" "$(field lost)" "$(field doubled)" \
        "$(field next p50_ms)" "$(field next p99_ms)" "$(field ratings p50_ms)" \
        "$(field ratings p99_ms)" "$sync" "$others_percent"
    stored=$((stored + $2))
}
loop() { # WHAT RUN [RATINGS that are there before]
    local sync
    sync=$(probe_disk)
    observe python3 tests/crowd_loop.py "$2" "$LAMARCK_MODEL" "${@:3}"
    row "$1" 20 "$(field before)" "$(field asked)" 0 "$(field seconds)" \
        "$(awk -v n="$(field asked)" -v s="$(field seconds)" 'BEGIN { printf "%.1f", n / s }')" \
        "" "" "" "" "" "" "" "" "" "" "" "$disk" "$sync" "$priority" "$others_percent"
    printf '%-28s %6d ratings in the store; %s asked in %s steps, %s s, %s s a step; others %s %%\n' \
        "$1" "$(field before)" "$(field asked)" "$(field steps)" "$(field seconds)" \
        "$(field seconds_per_step)" "$others_percent"
}

if [ "$ratings" != 0 ]; then
    crowd "killed" "$ratings" "$every" "$speed"
    crowd "no pauses" "$ratings" 0 0
    crowd "full store" $((ratings / 10)) 0 "$speed"
fi
loop "loop, empty store" "$folder/empty/run"
[ "$ratings" = 0 ] || loop "loop, full store" "$folder/crowd/run"
loop "loop, earlier steps" "$folder/earlier/run" "$earlier"
append_rows "$csv" "$columns"
