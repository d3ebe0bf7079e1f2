#!/usr/bin/env bash
# The commands on the model that ./setup fetches, where it is.
real=${LAMARCK_MODEL:-${XDG_CACHE_HOME:-$HOME/.cache}/lamarck/SmolLM2-135M-Instruct-Q4_1.gguf}
[ -r "$real" ] || { echo "SKIP the model is not here: $real (./setup model fetches it)"; exit 0; }
. "$(dirname "$0")/common"
ask() {
    echo "\$ lamarck $*" | sed "s|$real|MODEL|" >>"$actual"
    "$LAMARCK" "$@" 2>&1 | sed "s|$real|MODEL|" >>"$actual"
}
printf '%s\n' '{"text": "Hello  world 123"}' '{"text": "naïve 日本"}' >"$scratch/texts.jsonl"
"$LAMARCK" tokenize "$real" "$scratch/texts.jsonl" >>"$actual"
"$LAMARCK" tokenize "$real" "$scratch/texts.jsonl" | "$LAMARCK" tokenize "$real" - --decode >>"$actual"
echo '{"context": "The capital of France is", "target": " Paris"}' |
    "$LAMARCK" score "$real" --rows - | sed -E 's/(\.[0-9]{3})[0-9]*/\1/' >>"$actual"
ask generate "$real" --prompt 'The capital of France is' --max-tokens 8
ask generate "$real" --chat --prompt 'What is the capital of France?' --max-tokens 16 --stop .
LAMARCK_MODEL=$real "$LAMARCK" evolve experiments/antonyms/experiment.yaml --dry-run --json |
    grep -c '"tokens": 100000' >>"$actual"
"$LAMARCK" bench "$real" --csv --prompts 2 --examples 2 | head -1 >>"$actual"
"$LAMARCK" bench tests/data/tiny-f32.gguf --train prompt --virtual 3 --csv | head -1 >>"$actual"
"$LAMARCK" bench tests/data/tiny-f32.gguf --train prefix --virtual 3 | grep -c ' s a step ' >>"$actual"
finish
