#!/usr/bin/env bash
# A reward that chooses what people see, from the command line: what it would save, what is said of it
# while and after it did, kills on the way, and settings that make no sense.
. "$(dirname "$0")/common"
make_people 200 <<'MORE'
crowd: simulated
surrogate: {ratings: 30, least: 10, window: 30, needed: 0}
MORE

run_quietly evolve "$scratch/people.yaml" --dry-run
says "$scratch/stdout" "SIMULATED raters answer at most 400 questions"
says "$scratch/stdout" "of them, if the reward is trusted as soon as it may be (fitness.surrogate)"
run_quietly evolve "$scratch/people.yaml" --dry-run --set fitness.surrogate=off
says "$scratch/stdout" "if the reward is trusted"

run_quietly evolve "$scratch/people.yaml" --out "$scratch/whole"
says "$scratch/stderr" "reward learning: 0 scores by people, 0 by the reward"
says "$scratch/stderr" "reward on trial"
says "$scratch/stdout" "stands in for people in the search"
tr '\n' ' ' <"$scratch/whole/report.html" >"$scratch/report"
says "$scratch/report" "stands in for people in the search, never in the finish"
"$LAMARCK" show "$scratch/whole" --json >"$scratch/json"
python3 - "$scratch/json" <<'PY' >>"$actual"
import json, sys
s = json.load(open(sys.argv[1]))["people"]["surrogate"]
print("#", s["stage"] in ("on trial", "trusted"), s["batches"] > 3, s["scores_by_people"] > 30, sorted(s))
PY

# Killed again and again, it ends. (That it chooses the same is tested with raters who do.)
killed() { timeout -s KILL "0.$1" "$LAMARCK" evolve "${@:2}" >/dev/null 2>&1; }
{
    killed 4 "$scratch/people.yaml" --out "$scratch/killed"
    for t in 2 3 5 7 9; do [ -e "$scratch/killed/lamarck.sqlite" ] && killed $t --resume "$scratch/killed"; done
} 2>/dev/null
[ -e "$scratch/killed/lamarck.sqlite" ] || "$LAMARCK" evolve "$scratch/people.yaml" --out "$scratch/killed" >/dev/null 2>&1
"$LAMARCK" evolve --resume "$scratch/killed" >/dev/null 2>"$scratch/stderr" || note "$(cat "$scratch/stderr")"
"$LAMARCK" show "$scratch/killed" --json >"$scratch/again"
says "$scratch/again" '"status": "finished"'

run evolve "$scratch/people.yaml" --dry-run --set fitness.surrogate.share=2
run evolve "$scratch/people.yaml" --dry-run --set 'fitness.surrogate={rating: 40}'
run evolve "$scratch/people.yaml" --dry-run --set fitness.surrogate=maybe
run evolve "$scratch/people.yaml" --dry-run --set fitness.surrogate.window=12 --set fitness.surrogate.least=20
finish
