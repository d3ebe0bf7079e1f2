#!/usr/bin/env bash
# Adapters that were learned here, read by PEFT in front of the same model: the same values in the
# same places, the same log-probabilities. LAMARCK_PEFT_PYTHON: a python3 with peft, transformers,
# gguf and tokenizers.
. "$(dirname "$0")/common"
python=${LAMARCK_PEFT_PYTHON:-python3}
if ! "$python" -c 'import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, ("peft", "transformers", "gguf", "tokenizers"))))' 2>/dev/null; then
    echo "SKIP no python3 with peft, transformers, gguf and tokenizers (LAMARCK_PEFT_PYTHON names one)"
    exit 0
fi
export OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1
make_rows
cat >"$scratch/experiment.yaml" <<YAML
name: tiny
model: $PWD/$model
data: {file: data.jsonl, search: 24, selection: 12, final: 20}
template: "{{instruction}} {{input}}:{{target}}"
genes:
  instruction: {kind: text, seed: turn it}
budget: {tokens: 100000}
prefix: {tokens: 4, steps: 10, batch: 8, eval_every: 10, lr: 0.02, patience: 0}
engine: {threads: 1}
YAML
cat >"$scratch/rows.jsonl" <<'ROWS'
{"context_ids": [183, 2, 43, 112, 82, 24, 138, 144, 267], "target_ids": [130, 198, 205]}
{"context_ids": [183, 2, 43, 112, 82], "target_ids": [189, 86, 36, 180]}
{"context_ids": [147], "target_ids": [163]}
ROWS
check() { # NAME --set…
    local out=$scratch/$1
    "$LAMARCK" prefix "$scratch/experiment.yaml" --out "$out" "${@:2}" >/dev/null 2>"$scratch/said" ||
        note "no run: $(cat "$scratch/said")"
    "$LAMARCK" export "$out" --format peft --out "$out/adapter" >/dev/null
    "$LAMARCK" export "$out" --format npy --out "$out/values.npy" >/dev/null
    "$LAMARCK" score "$model" --rows "$scratch/rows.jsonl" --prefix "$out/adapter" >"$out/scores.jsonl"
    if "$python" tests/peft_loads.py "$out/adapter" "$out/values.npy" "$scratch/rows.jsonl" \
        "$out/scores.jsonl" >"$scratch/printed" 2>"$scratch/said"; then
        cat "$scratch/printed" >>"$actual"
        tail -1 "$scratch/said"
    else
        note "$1: $(tail -1 "$scratch/said")"
    fi
}
check prompt
check prefix --set prefix.method=prefix
check mlp --set prefix.method=prefix --set prefix.reparameterise=16
finish
