#!/usr/bin/env bash
# A search from its file to the exported prompt, on a tiny model: killed and resumed it ends as if it
# never had been; what is exported scores as it was reported.
. "$(dirname "$0")/common"
make_rows
cat >"$scratch/experiment.yaml" <<YAML
name: tiny
model: $PWD/$model
data: {file: data.jsonl, search: 24, selection: 12, final: 20}
template: "{{instruction}} {{input}}:{{target}}"
genes:
  instruction: {kind: text, seed: turn it, max_words: 4, lexicon: [turn, it, the, back, a]}
fitness: {kind: logprob}
search: {kind: ga, population: 6, block: 6, model_words: 2}
budget: {tokens: 8000}
finalists: 3
YAML
evolve() { "$LAMARCK" evolve "$@" >"$scratch/stdout" 2>"$scratch/stderr"; }
# Numbers depend on the machine's vector instructions, so the record holds relations, not scores.
timeless() { "$LAMARCK" show "$1" --json | grep -vE '"(seconds|started|reused|backend)"'; }

run_quietly evolve "$scratch/experiment.yaml" --dry-run
evolve "$scratch/experiment.yaml" --out "$scratch/whole" --seed 3
note "a whole run: exit $?"
grep -cE '^(search|selection|final) generation' "$scratch/stderr" | grep -qE '^[1-9]' || note "no progress was told"
grep -q 'report: .*/whole/report.html' "$scratch/stdout" || note "the report is not named"
grep -q '</html>' "$scratch/whole/report.html" || note "there is no report"
timeless "$scratch/whole" >"$scratch/whole.json"

: >"$scratch/stderr" # or the last run's words would be taken for this one's
"$LAMARCK" evolve "$scratch/experiment.yaml" --out "$scratch/killed" --seed 3 >/dev/null 2>"$scratch/stderr" &
killed=$!
while kill -0 $killed 2>/dev/null && ! grep -q '^search' "$scratch/stderr"; do sleep 0.01; done
kill -9 $killed 2>/dev/null
wait $killed 2>/dev/null
if "$LAMARCK" show "$scratch/killed" --json | grep -qE '"status": "(running|stopped)"'; then
    # Unless it was faster than the signal: a run that is not finished is not begun anew.
    evolve "$scratch/experiment.yaml" --out "$scratch/killed" --seed 3
    grep -q "go on with 'lamarck evolve --resume" "$scratch/stderr" || note "begun anew over a killed run"
fi
evolve --resume "$scratch/killed"
note "resumed: exit $?"
timeless "$scratch/killed" >"$scratch/killed.json"
same "$scratch/whole.json" "$scratch/killed.json" "killed and resumed"
evolve --resume "$scratch/whole"
note "resumed when finished: exit $?"

"$LAMARCK" evolve "$scratch/experiment.yaml" --out "$scratch/stopped" --seed 3 >/dev/null 2>"$scratch/stderr" &
stopped=$!
while kill -0 $stopped 2>/dev/null && ! grep -q '^search' "$scratch/stderr"; do sleep 0.01; done
kill -INT $stopped 2>/dev/null
wait $stopped
case $? in # 0: it was faster than the signal
130) grep -q "stopped; everything is kept, 'lamarck evolve --resume" "$scratch/stderr" || note "Ctrl-C: nothing was said" ;;
0) ;;
*) note "Ctrl-C: neither 130 nor 0" ;;
esac
[ -s "$scratch/stopped/report.html" ] && note "Ctrl-C leaves a report"
evolve --resume "$scratch/stopped"
timeless "$scratch/stopped" >"$scratch/stopped.json"
same "$scratch/whole.json" "$scratch/stopped.json" "stopped and resumed"

evolve "$scratch/experiment.yaml" --out "$scratch/threads" --seed 3 --set engine.threads=1
timeless "$scratch/threads" >"$scratch/threads.json"
same "$scratch/whole.json" "$scratch/threads.json" "one thread"

for which in seed best; do
    id=$("$LAMARCK" show "$scratch/whole" --json | grep -A 3 "^  \"$which\": {" | sed -nE 's/.*"id": ([0-9]+).*/\1/p')
    reported=$("$LAMARCK" show "$scratch/whole" --json | grep -A 3 "^  \"$which\": {" | sed -nE 's/.*"final_score": ([^,]+).*/\1/p')
    "$LAMARCK" export "$scratch/whole" --candidate "$id" --format json --out "$scratch/$which.json"
    scored=$("$LAMARCK" score "$scratch/$which.json" --json | sed -nE 's/.*"score": ([^,]+).*/\1/p')
    [ -n "$reported" ] && [ "$reported" = "$scored" ] && note "$which scores as reported" ||
        note "$which was reported with $reported and scores $scored"
done
interval() { grep -A 3 '"ci95"' | tr -d ' \n'; }
[ "$("$LAMARCK" compare "$scratch/seed.json" "$scratch/best.json" --json | interval)" = \
    "$("$LAMARCK" show "$scratch/whole" --json | interval)" ] && note "compare gives the run's interval" ||
    note "compare gives another interval"
run_quietly score "$scratch/best.json" --data "$scratch/data.jsonl"
run_quietly compare seed 'instruction=turn it back' --experiment "$scratch/experiment.yaml"
echo 'say {{input}}:{{target}}' >"$scratch/prompt.txt"
run_quietly compare seed "$scratch/prompt.txt" --experiment "$scratch/experiment.yaml"
run export "$scratch/whole" --candidate 1
run export "$scratch/whole" --candidate 1 --format messages
run_quietly export "$scratch/whole" --candidate 999999999
"$LAMARCK" export "$scratch/whole" --candidate 1 --format promptfoo | head -8 >>"$actual"
run_quietly list "$scratch"
grep -c finished "$scratch/stdout" >>"$actual"
finish
