#!/usr/bin/env bash
# Every command with options and files that are wrong: one clear sentence, a status that is not 0.
. "$(dirname "$0")/common"
printf '{"context": "a", "target": "b"}\n{"context": "a", "tarjet": "b"}\n' >"$scratch/key.jsonl"
printf '{"context": "a", "target": "b"}\n{"context": "a"}\n' >"$scratch/missing.jsonl"
printf '{"context": "a", "target": ""}\n' >"$scratch/empty.jsonl"
printf '{"context": 1, "target": "b"}\n' >"$scratch/type.jsonl"
printf '{"context_ids": [1, 9999], "target_ids": [2]}\n' >"$scratch/ids.jsonl"
printf '{"context": "a", "target": "b"\n' >"$scratch/json.jsonl"
printf '[1]\n' >"$scratch/array.jsonl"
printf '{"context": "a", "target": "b", "target": "c"}\n' >"$scratch/twice.jsonl"
printf '{"text": "\xff"}\n' >"$scratch/utf8.jsonl"
printf '{"context": "%s", "target": "b"}\n' "$(head -c 200 /dev/zero | tr '\0' 'x')" >"$scratch/long.jsonl"
printf '{"ids": [0, 291]}\n' >"$scratch/vocabulary.jsonl"
printf '{"bytes": "0g"}\n' >"$scratch/hex.jsonl"
printf 'not a model' >"$scratch/model.gguf"

run tokenize
run tokenize "$model"
run tokenize "$model" "$scratch/none.jsonl"
run tokenize "$scratch/none.gguf" "$scratch/key.jsonl"
run tokenize "$scratch/model.gguf" "$scratch/key.jsonl"
run tokenize "$model" "$scratch/key.jsonl"
run tokenize "$model" "$scratch/utf8.jsonl"
run tokenize "$model" "$scratch/hex.jsonl"
run tokenize "$model" "$scratch/vocabulary.jsonl" --decode
run tokenize "$model" - --decode=yes

run score "$model"
run score "$model" --rows "$scratch/key.jsonl" --split final
run score "$model" --rows "$scratch/key.jsonl" --overflow rigth
run score "$model" --rows "$scratch/key.jsonl" --threads many
run score "$model" --rows "$scratch/key.jsonl"
for file in missing empty type ids json array twice long; do
    run score "$model" --rows "$scratch/$file.jsonl"
done
run score "$scratch/none.json"
run score seed --no-bos --experiment experiments/antonyms/experiment.yaml
run score seed --experiment "$scratch/none.yaml"
run score seed --experiment experiments/antonyms/experiment.yaml --data x --split final
run score seed --experiment experiments/antonyms/experiment.yaml --input-field x

run generate "$model"
run generate "$model" --prompt a --top-p 2
run generate "$model" --prompt a --temperature -1
run generate "$model" --prompt a --n 0
run generate "$model" --prompt a --repetition-penalty 0
run generate "$model" --prompt @"$scratch/none.txt"
run generate "$model" --prompt ''
run generate "$model" --rows "$scratch/key.jsonl"

run compare seed
run compare seed seed
run compare seed seed --experiment "$scratch/none.yaml"

run evolve
run evolve "$scratch/none.yaml"
run evolve experiments/antonyms/experiment.yaml --budget token=5
run evolve experiments/antonyms/experiment.yaml --budget 5
run evolve experiments/antonyms/experiment.yaml --budget tokens=many
run evolve experiments/antonyms/experiment.yaml --set search.populatoin=5
run evolve experiments/antonyms/experiment.yaml --seed -1
run evolve experiments/antonyms/experiment.yaml --resume "$scratch"
run evolve --resume "$scratch"
run evolve --resume "$scratch" --dry-run
run evolve experiments/antonyms/experiment.yaml --run 1

run show
run show "$scratch"
run show "$scratch" --run x
run list "$scratch/none"
run export "$scratch"
run export "$scratch" --format yaml
run inspect
run inspect "$scratch/model.gguf"
run inspect "$model" --backend gpu
printf '{"template": "{prompt} {input}", "prompts": ["a"], "examples": [{"input": "b", "target": "c"}]}' >"$scratch/workload.json"
run bench
run bench "$model" --repeat 0
run bench "$model" --reference x
run bench "$model" --workload "$scratch/none.json"
run bench "$model" --workload "$scratch/workload.json"
run bench "$model" --train both
run bench "$model" --train prompt --workload "$scratch/workload.json"
run bench "$model" --train prefix --virtual 0
run bench "$model" --train prefix --virtual 100000
note "a pipe that nobody writes to is empty, and not waited for:"
mkfifo "$scratch/pipe.csv"
run score "$model" --rows "$scratch/pipe.csv"
run evolve "$scratch/pipe.csv"
run rate aggregate --ratings "$scratch/pipe.csv" --method alpha
finish
