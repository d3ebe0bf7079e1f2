#!/usr/bin/env bash
# The share of first choices that score reports is what greedy generation really says.
real=${LAMARCK_MODEL:-${XDG_CACHE_HOME:-$HOME/.cache}/lamarck/SmolLM2-135M-Instruct-Q4_1.gguf}
[ -r "$real" ] || { echo "SKIP the model is not here: $real (./setup model fetches it)"; exit 0; }
. "$(dirname "$0")/common"
export LAMARCK_MODEL=$real
printf '%s {{input}} is two {{target}}' 'The plural of one' >"$scratch/prompt.txt"
head -24 experiments/plurals/plurals.jsonl >"$scratch/nouns.jsonl"
"$LAMARCK" score "$scratch/prompt.txt" --experiment experiments/plurals/experiment.yaml \
    --data "$scratch/nouns.jsonl" --json >"$scratch/score.json"
python3 - "$scratch/nouns.jsonl" >"$scratch/rows.jsonl" <<'P'
import json, sys
for line in open(sys.argv[1]):
    print(json.dumps({"prompt": "The plural of one %s is two" % json.loads(line)["input"]}))
P
"$LAMARCK" generate "$real" --rows "$scratch/rows.jsonl" --max-tokens 8 --json >"$scratch/texts.jsonl"
python3 - "$scratch" >>"$actual" <<'P'
import json, sys
folder = sys.argv[1]
rows = [json.loads(l) for l in open(folder + "/nouns.jsonl")]
texts = [json.loads(l)["text"] for l in open(folder + "/texts.jsonl")]
answers = [r.get("targets") or r.get("target") for r in rows]
answers = [a if isinstance(a, list) else [a] for a in answers]
hits = sum(any(t.startswith(" " + a) for a in right) for t, right in zip(texts, answers))
share = json.load(open(folder + "/score.json"))["first_choice"]
# "child" begins "children": a text may begin with the answer's letters and still not say it.
print("some, not all:", 0 < hits < len(rows))
print("within one of greedy generation:", abs(share * len(rows) - hits) <= 1)
P
finish
