#!/usr/bin/env bash
# Learned vectors read back into words. The ids are held against NumPy in test_words.c; here, that
# vectors which are words are read as these words, and what cannot be read.
. "$(dirname "$0")/common"
# Numbers depend on the machine's vector instructions in their last digits.
plain() { sed -E 's/"(value|score)":-?[0-9.e-]+/"\1":N/g'; }
# A prompt of no steps worth the name, begun as a text: its vectors are that text's, nearly.
for i in $(seq 0 39); do
    echo "{\"input\": \"thing $i\", \"target\": \"$((i % 7))\"}"
done >"$scratch/data.jsonl"
cat >"$scratch/experiment.yaml" <<YAML
model: $PWD/$model
data: {file: data.jsonl, search: 12, selection: 8, final: 10}
template: "{{instruction}} {{input}} {{target}}"
genes: {instruction: {kind: text, seed: the opposite of}}
prefix: {tokens: 0, steps: 1, lr: 0.0001}
budget: {tokens: 9000}
YAML
"$LAMARCK" prefix "$scratch/experiment.yaml" --out "$scratch/run" >/dev/null 2>"$scratch/stderr" || cat "$scratch/stderr" >>"$actual"
"$LAMARCK" export "$scratch/run" --format peft --out "$scratch/adapter" || note "no adapter"
"$LAMARCK" words "$model" --prefix "$scratch/adapter" --nearest 2 --beam 2 >"$scratch/lines" || note "exit $?"
grep -o '"text":"[^"]*"' "$scratch/lines" | head -1 >>"$actual"
plain <"$scratch/lines" | head -1 >>"$actual"
note "lines: $(grep -c '^{"vector"' "$scratch/lines") vectors, $(grep -c '"by":"beam"' "$scratch/lines") of the beam"
note "survivors: $(grep -c '"survives":true' "$scratch/lines")"
note "without a beam:"
"$LAMARCK" words "$model" --prefix "$scratch/adapter" --nearest 1 --beam 0 | grep -c beam >>"$actual"
note "texts that gradients found, in a search:"
"$LAMARCK" evolve "$scratch/experiment.yaml" --set search.hybrid=[nearest,projected] --set search.population=6 \
    --set search.gradient_rows=4 --budget tokens=14000 --out "$scratch/search" >/dev/null 2>&1 || note "exit $?"
"$LAMARCK" show "$scratch/search" | tr '\n' ' ' | grep -oE 'Texts that gradients found' >>"$actual"
"$LAMARCK" show "$scratch/search" --json | grep -c '"origin": "\(nearest\|projected\)"' | sed 's/[12]/some/' >>"$actual"
run_quietly evolve "$scratch/experiment.yaml" --set search.hybrid=[nearest,swap] --dry-run
sed -n 's/^lamarck: //p' "$scratch/stderr" | neutral >>"$actual"
note "what makes no sense:"
run words "$model"
run words "$model" --prefix "$scratch/adapter" --nearest 0
run words "$model" --prefix "$scratch/nowhere"
run words tests/data/tiny-q4_1.gguf --prefix "$scratch/adapter"
"$LAMARCK" prefix "$scratch/experiment.yaml" --set prefix.method=prefix --out "$scratch/keys" >/dev/null 2>&1
"$LAMARCK" export "$scratch/keys" --format peft --out "$scratch/keys.adapter"
run words "$model" --prefix "$scratch/keys.adapter"
finish
