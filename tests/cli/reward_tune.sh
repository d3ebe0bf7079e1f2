#!/usr/bin/env bash
# Vectors that a reward likes; killed, stopped or on a full disk, the tuning goes on as if nothing had
# been, and what does not fit is said.
. "$(dirname "$0")/common"
export OMP_NUM_THREADS=1 # threads that wait for each other on a busy machine take ten times as long
reward() { run reward "$@"; }
make_votes 't in ("runs.", "is big and kind.", "likes the bridge.")' loud
"$LAMARCK" reward train --model "$model" --resamples 100 --ratings "$scratch/loud" --out "$scratch/r" >/dev/null 2>&1

note "vectors that it likes:"
for i in 1 2 3 4 5 6 7 8; do
    printf '{"context": "The %s cat.", "prompt": "The %s cat "}\n' "c$i" "c$i"
done >"$scratch/contexts"
tuning=("$LAMARCK" reward tune "$scratch/r" --rows "$scratch/contexts" --text big --samples 4 --max-tokens 6)
tune() { "${tuning[@]}" --steps 4 "$@" 2>"$scratch/stderr"; }
tune --out "$scratch/adapter" --json | python3 -c '
import json, sys
x = json.load(sys.stdin)
print(sorted(x), x["rows"], x["simulated"], x["none"]["kl"], x["learned"]["kl_token"] > 0, sorted(x["learned"]))' >>"$actual"
cut -d: -f1 "$scratch/stderr" | tail -1 >>"$actual"
tune --out "$scratch/adapter2" --threads 1 >/dev/null
cmp "$scratch/adapter/adapter_model.safetensors" "$scratch/adapter2/adapter_model.safetensors" ||
    note "threads change the vectors"
tune --out "$scratch/adapter3" --method prefix | sed -E 's/[-+]?[0-9]+\.[0-9]+/N/g' >>"$actual"
printf '{"context": "a", "target": "b"}\n' >"$scratch/scored" &&
    "$LAMARCK" score "$model" --rows "$scratch/scored" --prefix "$scratch/adapter" >/dev/null || note "no adapter"
reward tune "$scratch/r"
reward tune "$scratch/r" --rows "$scratch/contexts" --text big --out "$scratch/x" --samples 1
reward tune "$scratch/r" --rows "$scratch/contexts" --text big --out "$scratch/x" --held-out 1.5
reward tune "$scratch/r" --rows "$scratch/contexts" --text big --out "$scratch/x" --max-tokens 60
reward tune "$scratch/r" --rows "$scratch/contexts" --text "" --out "$scratch/x"
head -2 "$scratch/contexts" >"$scratch/two"
reward tune "$scratch/r" --rows "$scratch/two" --text big --out "$scratch/x"
printf '{"prompt": "c"}\n' >"$scratch/no_context"
reward tune "$scratch/r" --rows "$scratch/no_context" --text big --out "$scratch/x"

note "killed at any moment and gone on with, the same vectors and the same numbers:"
began=$(now_ms)
tune --out "$scratch/whole" --steps 12 >"$scratch/told.whole"
took=$(($(now_ms) - began))
RANDOM=3
kills=0 different=0
resume() { [ -e "$scratch/parts/lamarck_tuning.state" ] && echo --resume; }
while [ $kills -lt 10 ]; do
    rm -rf "$scratch/parts"
    for _ in 1 2 3 4; do
        # shellcheck disable=SC2046
        "${tuning[@]}" --steps 12 --out "$scratch/parts" $(resume) >/dev/null 2>&1 &
        process=$!
        sleep "$(printf '%d.%03d' $((took * (RANDOM % 100) / 100000)) $((took * (RANDOM % 100) / 100 % 1000)))"
        kill -9 $process 2>/dev/null && kills=$((kills + 1))
        wait $process 2>/dev/null
    done
    # shellcheck disable=SC2046
    tune --steps 12 --out "$scratch/parts" $(resume) >"$scratch/told.parts" || cat "$scratch/stderr" >>"$actual"
    cmp -s "$scratch/told.whole" "$scratch/told.parts" || different=$((different + 1))
    cmp -s "$scratch/whole/adapter_model.safetensors" "$scratch/parts/adapter_model.safetensors" ||
        different=$((different + 1))
done
note "$different ended differently, and $(find "$scratch/parts" -name 'lamarck_tuning*' | wc -l) files of states are left"

note "stopped by Ctrl-C, and what may not go on:"
steps() { # until the tuning in FOLDER has done the first, or ended
    for _ in $(seq 300); do
        [ -e "$1/lamarck_tuning.state" ] && return
        kill -0 $process 2>/dev/null || return
        sleep 0.05
    done
}
env --default-signal=HUP "${tuning[@]}" --steps 100000 --out "$scratch/hung" >/dev/null 2>&1 & # nohup may be above us
process=$!
steps "$scratch/hung"
kill -HUP $process
wait $process
note "exit $? after a hang-up"
env --default-signal=INT "${tuning[@]}" --steps 100000 --out "$scratch/long" >/dev/null 2>"$scratch/said" &
process=$!
steps "$scratch/long"
reward tune "$scratch/r" --rows "$scratch/contexts" --text big --out "$scratch/long"
kill -INT $process
wait $process
note "exit $?: $(tail -1 "$scratch/said" | sed -E 's/after [0-9]+ of/after N of/')"
"$LAMARCK" score "$model" --rows "$scratch/scored" --prefix "$scratch/long" >/dev/null || note "no adapter"
reward tune "$scratch/r" --rows "$scratch/contexts" --text big --out "$scratch/long"
reward tune "$scratch/r" --rows "$scratch/contexts" --text big --out "$scratch/long" --resume
reward tune "$scratch/r" --rows "$scratch/contexts" --text big --out "$scratch/nothing" --resume
reward tune "$scratch/r" --rows "$scratch/contexts" --text big --out "$scratch/contexts"
head -c 100 "$scratch/long/lamarck_tuning.state" >"$scratch/cut" && mv "$scratch/cut" "$scratch/long/lamarck_tuning.state"
reward tune "$scratch/r" --rows "$scratch/contexts" --text big --samples 4 --max-tokens 6 --out "$scratch/long" --resume

note "a disk that is full:"
note "$(ulimit -f 1 && "${tuning[@]}" --steps 4 --out "$scratch/full" 2>&1 >/dev/null | tail -1)"
# shellcheck disable=SC2046
tune --out "$scratch/full" $([ -e "$scratch/full/lamarck_tuning.state" ] && echo --resume) >/dev/null
cmp "$scratch/adapter/adapter_model.safetensors" "$scratch/full/adapter_model.safetensors" || note "other vectors"
finish
