#!/usr/bin/env bash
# A folder whose program was killed before it wrote anything is used as if it were new, --resume says
# what to do, and a budget in seconds is refused with the seconds that would do, not with rounded zeros.
. "$(dirname "$0")/common"
for i in $(seq 24); do
    printf '{"input": "a%d", "target": "b"}\n' "$i"
done >"$scratch/data.jsonl"
cat >"$scratch/e.yaml" <<EOF
model: $PWD/$model
data: {file: data.jsonl}
template: "{{say}} {{input}}: {{target}}"
genes: {say: {kind: text, seed: do it}}
search: {population: 2, elites: 1, model_words: 0}
budget: {evaluations: 400}
EOF
run evolve --resume "$scratch/run" # killed before it made the folder, the file, the tables, the run
mkdir "$scratch/run"
run evolve --resume "$scratch/run"
: >"$scratch/run/lamarck.sqlite"
run evolve --resume "$scratch/run"
mkdir "$scratch/tables"
run_quietly evolve "$scratch/e.yaml" --out "$scratch/tables"
sqlite3 "$scratch/tables/lamarck.sqlite" 'DELETE FROM run'
run evolve --resume "$scratch/tables"
sqlite3 "$scratch/run/lamarck.sqlite" 'PRAGMA journal_mode = WAL' >/dev/null # a header, no tables
run evolve --resume "$scratch/run"
run_quietly evolve "$scratch/e.yaml" --out "$scratch/run"
run_quietly show "$scratch/run"
run_quietly evolve "$scratch/e.yaml" --out "$scratch/hasty" --budget seconds=0.00001
note "$(sed -E 's/[0-9.]*[1-9][0-9.]*(e-[0-9]+)?/POSITIVE/g' "$scratch/stderr")"
finish
