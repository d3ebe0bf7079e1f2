#!/usr/bin/env bash
# A search that waits for people, as a person drives it: ask, export, answer, import, go on, until it
# ends; a rule that was changed on the way stays changed.
. "$(dirname "$0")/common"
make_people 100 <<<"cents: 5"
# Two raters answer whatever is wanted, one with the longer output, one with the first.
cat >"$scratch/answer.py" <<'PY'
import json, sys
for line in sys.stdin:
    t = json.loads(line)
    if t["closed"] or t["practice"] or t["done"] >= t["wanted"]:
        continue
    for k in range(t["done"], t["wanted"]):
        print(json.dumps({"task": t["task"], "rater": f"rater {k}", "answer": "0" if k else "tie",
                          "seconds": 5, "key": f"{t['task']} {k}"}))
PY
wait_once() {
    "$LAMARCK" rate export "$scratch/run" --what tasks | python3 "$scratch/answer.py" >"$scratch/answers.jsonl"
    [ -s "$scratch/answers.jsonl" ] || note "it waits, and asks nothing"
    "$LAMARCK" rate import "$scratch/run" "$scratch/answers.jsonl" >/dev/null || note "import: exit $?"
    "$LAMARCK" evolve --resume "$scratch/run" >"$scratch/stdout" 2>"$scratch/stderr" || note "resume: exit $?"
}
status() { "$LAMARCK" show "$scratch/run" --json | sed -n 's/.*"status": "\(.*\)",/\1/p'; }

run_quietly evolve "$scratch/people.yaml" --out "$scratch/run"
note "$(status)"
run_quietly rate rules "$scratch/run" --min-seconds 4
for i in $(seq 40); do
    [ "$(status)" = waiting ] || break
    wait_once
done
note "$(status)"
"$LAMARCK" rate rules "$scratch/run" | grep -qE 'min.seconds +4' && note "the changed rule holds"
"$LAMARCK" show "$scratch/run" --json >"$scratch/json"
grep -q '"simulated": false' "$scratch/json" && note "not called simulated"
grep -q '"missing_ratings": 0' "$scratch/json" && note "nothing is asked any more"
# Importing all answers once more changes nothing.
"$LAMARCK" rate export "$scratch/run" >"$scratch/ratings.jsonl"
before=$(wc -l <"$scratch/ratings.jsonl")
run_quietly rate import "$scratch/run" "$scratch/ratings.jsonl"
[ "$("$LAMARCK" rate export "$scratch/run" | wc -l)" = "$before" ] && note "the same ratings as before"
finish
