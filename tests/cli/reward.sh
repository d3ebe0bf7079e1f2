#!/usr/bin/env bash
# A reward from a file of ratings, shown and used; and every way in which it cannot be had.
. "$(dirname "$0")/common"
reward() { run reward "$@"; }
train() { "$LAMARCK" reward train --model "$model" --resamples 200 "$@" 2>"$scratch/stderr"; neutral <"$scratch/stderr" >>"$actual"; }

reward
reward tran
reward train
reward train --ratings x
reward train --ratings "$scratch/none" --model "$model"
reward train "$scratch/none" --model "$model"
reward train --ratings x --model "$model" --head cubic
reward train --ratings x --model "$model" --heads 1
reward show
reward show "$scratch/none"
reward score x
printf '' >"$scratch/empty"
reward train --ratings "$scratch/empty" --model "$model"
printf '{"context": "c", "a": "x"}\n' >"$scratch/bad"
reward train --ratings "$scratch/bad" --model "$model"
printf '{"context": "c", "output": "x", "value": 1}\n' >"$scratch/value"
reward train --ratings "$scratch/value" --model "$model" --head pairwise
reward train --ratings "$scratch/value" --model "$model"

note "a taste that has nothing to do with length, and none at all:"
make_votes 't in ("runs.", "is big and kind.", "likes the bridge.")' loud
make_votes 'random.random()' none_at_all
verdict() { sed -n '/^SIMULATED/p; /^Learned/p; /^The reward is/p; /^With fewer/p' "$1"; }
train --ratings "$scratch/loud" --out "$scratch/r" >"$scratch/told"
verdict "$scratch/told" | neutral >>"$actual"
train --ratings "$scratch/none_at_all" --out "$scratch/l" >"$scratch/told.long"
verdict "$scratch/told.long" | neutral >>"$actual"

note "shown as it was told, and the same again:"
"$LAMARCK" reward show "$scratch/r" | cmp - "$scratch/told" || note "show differs"
train --ratings "$scratch/loud" --out "$scratch/r2" --threads 1 >/dev/null
cmp "$scratch/r" "$scratch/r2" || note "the same seed, another reward"
"$LAMARCK" reward show "$scratch/r" --json | python3 -c '
import json, sys
x = json.load(sys.stdin)
print(sorted(x), sorted(x["facts"]), sorted(x["judgement"]))
j = x["judgement"]
print(x["facts"]["simulated"], j["beats_length"], j["accuracy"]["value"] > 0.8, len(j["curve"]))' >>"$actual"

note "scores:"
cat >"$scratch/rows" <<'ROWS'
{"context": "The grey cat.", "output": "is big and kind."}
{"context": "The grey cat.", "output": "is small."}
{"context": "", "output": ""}
ROWS
"$LAMARCK" reward score "$scratch/r" --rows "$scratch/rows" >"$scratch/scores"
python3 - "$scratch/scores" >>"$actual" <<'PY'
import json, sys
x = [json.loads(line) for line in open(sys.argv[1])]
print(x[0]["reward"] > x[1]["reward"] + 0.5, all(r["sd"] > 0 for r in x), [r["tokens"] for r in x], sorted(x[0]))
PY
"$LAMARCK" reward score "$scratch/r" --rows - --threads 1 <"$scratch/rows" | cmp - "$scratch/scores" ||
    note "threads change the scores"
tac "$scratch/rows" | "$LAMARCK" reward score "$scratch/r" --rows - | tac | cmp - "$scratch/scores" ||
    note "the order changes the scores"

note "from a run that people judged, and a run in their place:"
experiment() { # FILE FITNESS
    cat >"$scratch/$1" <<YAML
model: $PWD/$model
data: {file: things.jsonl, search: 8, selection: 4, final: 8}
template: '{{instruction}}{{mark}} {{input}} is'
genes:
  instruction: {kind: text, seed: the opposite of, max_words: 6, lexicon: [hot, cold, question, answer]}
  mark: {kind: choice, options: [':', ' of', ' to']}
fitness: {$2, shown: 'about {{input}}', max_tokens: 6}
search: {population: 4, founders: 6, elites: 1, tournament: 2, block: 4, model_words: 0}
budget: {evaluations: 120}
finalists: 2
engine: {threads: 1}
YAML
}
for i in $(seq 20); do echo "{\"input\": \"thing $i\"}"; done >"$scratch/things.jsonl"
experiment people.yaml 'kind: human, question: Which is better?, ratings: 2, crowd: simulated'
experiment reward.yaml 'kind: reward, reward: people/reward.safetensors'
run_quietly evolve "$scratch/people.yaml" --out "$scratch/people" --seed 1
run_quietly reward train "$scratch/people" --resamples 100
sed -E -n 's/^A pairwise reward on [^,]*/A pairwise reward on M/p; /^They were/p; s/^SIMULATED: [0-9]+/SIMULATED: N/p' \
    "$scratch/stdout" >>"$actual"
run_quietly evolve "$scratch/reward.yaml" --out "$scratch/driven" --seed 1
"$LAMARCK" show "$scratch/driven" --json | python3 -c '
import json, sys
x = json.load(sys.stdin)
print(x["status"], x["best"] is not None, x["difference"] is not None)' >>"$actual"
"$LAMARCK" show "$scratch/driven" | tr -s ' \n' ' ' | grep -o "nobody was asked about these texts" >>"$actual"
run prefix "$scratch/reward.yaml" --dry-run
run evolve "$scratch/reward.yaml" --out "$scratch/other" --dry-run --set fitness.reward="$scratch/none"
note "what does not fit:"
reward score "$scratch/r" --rows "$scratch/rows" --model tests/data/tiny-qwen2.gguf
printf '{"context": "c"}\n' >"$scratch/no_output"
reward score "$scratch/r" --rows "$scratch/no_output"
printf '{"context": "c", "output": "%s"}\n' "$(head -c 200 /dev/zero | tr '\0' 'x')" >"$scratch/long_row"
reward score "$scratch/r" --rows "$scratch/long_row"
head -c 500 "$scratch/r" >"$scratch/cut"
reward show "$scratch/cut"
finish
