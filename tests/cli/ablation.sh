#!/usr/bin/env bash
# The tables in experiments/ablation/README.md are those of its results.csv.
. "$(dirname "$0")/common"
if ! command -v python3 >/dev/null; then
    echo "SKIP python3 is not there"
    exit 0
fi
python3 experiments/ablation/ablate.py table >"$scratch/table" || note "exit $?"
note "rows: $(grep -c '^| ga |' "$scratch/table" | sed 's/[1-9][0-9]*/some/')"
while IFS= read -r line; do
    [ -z "$line" ] || grep -qFx -- "$line" experiments/ablation/README.md || note "not in the README: $line"
done <"$scratch/table"
python3 experiments/ablation/ablate.py table --csv "$scratch/none.csv" >>"$actual"
finish
