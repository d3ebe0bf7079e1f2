#!/usr/bin/env bash
# Learning vectors from the file to the adapter, on a tiny model: killed, stopped and resumed it ends
# as if it never had been; the adapter scores as was reported; what is wrong is said in one sentence.
. "$(dirname "$0")/common"
export OMP_NUM_THREADS=1 # threads that wait for each other on a busy machine take ten times as long
RANDOM=5
make_rows
cat >"$scratch/experiment.yaml" <<YAML
name: tiny
model: $PWD/$model
data: {file: data.jsonl, search: 24, selection: 12, final: 20}
template: "{{instruction}} {{input}}:{{target}}"
genes:
  instruction: {kind: text, seed: turn it}
budget: {tokens: 100000}
prefix: {tokens: 4, steps: 40, batch: 8, eval_every: 10, lr: 0.02, patience: 0}
engine: {threads: 1}
YAML
prefix() { "$LAMARCK" prefix "$@" >"$scratch/stdout" 2>"$scratch/stderr"; }
# Everything but time, and the name of the folder.
timeless() { "$LAMARCK" show "$1" --json | grep -vE '"(seconds|started|dir|folder|reused)"'; }
vectors() { "$LAMARCK" export "$1" --format npy --out "$1.npy"; }

run_quietly prefix "$scratch/experiment.yaml" --dry-run
grep -c 'MiB of memory at most' "$scratch/stdout" >>"$actual"
begin=$(now_ms)
prefix "$scratch/experiment.yaml" --out "$scratch/whole"
note "a whole run: exit $?"
took=$(($(now_ms) - begin))
grep -qE '^training step 40 ' "$scratch/stderr" || note "no progress was told"
grep -q 'report: .*/whole/report.html' "$scratch/stdout" || note "the report is not named"
grep -q '</html>' "$scratch/whole/report.html" || note "there is no report"
grep -q 'step 40; ' "$scratch/stdout" || note "there is no curve"
timeless "$scratch/whole" >"$scratch/whole.json"
vectors "$scratch/whole"

# Kills, each a random part of a whole run after the process began; up to three for one run.
kills=0 different=0
while [ $kills -lt 10 ]; do
    run_killed prefix 3
    timeless "$scratch/killed" >"$scratch/killed.json"
    vectors "$scratch/killed"
    cmp -s "$scratch/whole.json" "$scratch/killed.json" && cmp -s "$scratch/whole.npy" "$scratch/killed.npy" || {
        different=$((different + 1))
        diff "$scratch/whole.json" "$scratch/killed.json" | head -5 >>"$actual"
    }
done
note "10 kills: $different runs ended differently"

# A long run: somebody else is refused and told who works on it; Ctrl-C stops it and keeps it.
"$LAMARCK" prefix "$scratch/experiment.yaml" --out "$scratch/long" --budget tokens=100000000,steps=1000000 \
    >/dev/null 2>"$scratch/long.err" &
process=$!
until [ "$(status "$scratch/long")" = running ] && grep -q '^training step' "$scratch/long.err"; do
    kill -0 $process || break
    sleep 0.05
done
prefix --resume "$scratch/long"
note "a second process: exit $?"
grep -q "process $process\$\|process $process[^0-9]" "$scratch/stderr" && note "told who works on it" ||
    note "not told who works on it: $(cat "$scratch/stderr")"
prefix "$scratch/experiment.yaml" --out "$scratch/long"
grep -q "lamarck prefix --resume" "$scratch/stderr" || note "begun anew over a run at work"
kill -INT $process
wait $process
note "Ctrl-C: exit $?, status $(status "$scratch/long")"
[ -s "$scratch/long/report.html" ] && note "Ctrl-C leaves a report"
run_quietly evolve --resume "$scratch/long"
sed 's/lamarck: //' "$scratch/stderr" | neutral >>"$actual"

# The adapter.
run export "$scratch/whole" --format peft --out "$scratch/adapter"
number() { sed -nE "s/.*\"$1\": ([^,]+).*/\1/p" | head -1; }
reported=$("$LAMARCK" show "$scratch/whole" --json | grep -A 3 '^  "best": {' | number final_score)
scored=$("$LAMARCK" score bare --experiment "$scratch/experiment.yaml" --prefix "$scratch/adapter" --json | number score)
[ -n "$reported" ] && [ "$reported" = "$scored" ] && note "the adapter scores as reported" ||
    note "reported was $reported, the adapter scores $scored"
interval() { grep -A 3 '"ci95"' | tr -d ' \n'; }
[ "$("$LAMARCK" compare seed bare --experiment "$scratch/experiment.yaml" --prefix "$scratch/adapter" --json | interval)" = \
    "$("$LAMARCK" show "$scratch/whole" --json | interval)" ] && note "compare gives the run's interval" ||
    note "compare gives another interval"
echo '{"context": "w12:", "target": "21"}' >"$scratch/row.jsonl"
with=$("$LAMARCK" score "$model" --rows "$scratch/row.jsonl" --prefix "$scratch/adapter")
[ "$with" != "$("$LAMARCK" score "$model" --rows "$scratch/row.jsonl")" ] || note "the prefix changes nothing"
run_quietly generate "$model" --prompt w12: --max-tokens 2 --prefix "$scratch/adapter"
cp -r "$scratch/adapter" "$scratch/cut"
truncate -s 300 "$scratch/cut/adapter_model.safetensors"
run_quietly score "$model" --rows "$scratch/row.jsonl" --prefix "$scratch/cut"
grep -q 'adapter_model.safetensors' "$scratch/stderr" || note "not told which file: $(cat "$scratch/stderr")"
run_quietly score "${model/f32/q8_0}" --rows "$scratch/row.jsonl" --prefix "$scratch/adapter"
grep -q 'tiny' "$scratch/stderr" || note "the models are not named: $(cat "$scratch/stderr")"
printf '{"context": "%s", "target": "b"}\n' "$(head -c 60 /dev/zero | tr '\0' 'x')" >"$scratch/tight.jsonl"
run_quietly score "$model" --rows "$scratch/tight.jsonl"
run score "$model" --rows "$scratch/tight.jsonl" --prefix "$scratch/adapter"
run export "$scratch/whole"
run export "$scratch/whole" --candidate 1
run export "$scratch/whole" --format npy
run export "$scratch/whole" --format peft --candidate 1 --out "$scratch/x"

# What is wrong.
run prefix
run prefix "$scratch/experiment.yaml" --lr fast
run prefix "$scratch/experiment.yaml" --lr 0
run prefix "$scratch/experiment.yaml" --set prefix.tokns=5
run prefix "$scratch/experiment.yaml" --budget tokens=400
run prefix "$scratch/experiment.yaml" --set data.search=0
run prefix "$scratch/experiment.yaml" --budget stpes=4
run prefix "$scratch/experiment.yaml" --set prefix.tokens=62
run prefix "$scratch/experiment.yaml" --memory 0.5
run prefix --resume "$scratch/whole" --lr 1
run prefix --resume "$scratch"
run prefix "$scratch/experiment.yaml" --set prefix.init=run --set prefix.run=nowhere
sed 's/prefix: {tokens/prefix: {tokns/' "$scratch/experiment.yaml" >"$scratch/misspelt.yaml"
run prefix "$scratch/misspelt.yaml"
run_quietly prefix "$scratch/experiment.yaml" --out "$scratch/wild" --lr 100000 --set prefix.weight_decay=900 --set prefix.decay_to_zero=on
grep -qE 'step [0-9]+' "$scratch/stderr" || note "the step is not named: $(cat "$scratch/stderr")"
note "a wild rate: $(status "$scratch/wild"), $([ -s "$scratch/wild/report.html" ] && echo a report)"
run_quietly export "$scratch/wild" --format peft --out "$scratch/last_good"
finish
