#!/usr/bin/env bash
# Rows in, log-probabilities out: in order, by text or by ids, alone or together.
. "$(dirname "$0")/common"
cat >"$scratch/rows.jsonl" <<'ROWS'
{"context": "Hello", "target": " world"}
{"context": "Hello", "target": " there"}
{"context": "", "target": "Hello world"}
{"context": "Hel", "target": "lo"}
{"target": "Hello"}
ROWS
# Four digits: the last ones depend on the machine's vector instructions.
digits() { sed -E 's/(\.[0-9]{4})[0-9]*/\1/'; }
score() { "$LAMARCK" score "$model" --rows "$@" 2>&1 | digits; }
score "$scratch/rows.jsonl" >>"$actual"
note "by ids:"
{
    for row in '"Hello"' '" world"'; do echo "{\"text\": $row}"; done
} | "$LAMARCK" tokenize "$model" - | sed -E 's/.*(\[.*\]).*/\1/' >"$scratch/ids"
{ read -r context; read -r target; } <"$scratch/ids"
echo "{\"context_ids\": $context, \"target_ids\": $target}" >"$scratch/byids.jsonl"
score "$scratch/byids.jsonl" >>"$actual"
note "the reference backend:"
score "$scratch/rows.jsonl" --backend ref >>"$actual"

"$LAMARCK" score "$model" --rows "$scratch/rows.jsonl" >"$scratch/together"
while read -r row; do echo "$row" | "$LAMARCK" score "$model" --rows -; done <"$scratch/rows.jsonl" >"$scratch/alone"
cmp "$scratch/together" "$scratch/alone" || note "rows alone have other numbers than together"
"$LAMARCK" score "$model" --rows "$scratch/rows.jsonl" --threads 1 | cmp - "$scratch/together" || note "threads change the numbers"

note "longer than the window:"
printf '{"context": "%s", "target": "b"}\n' "$(head -c 200 /dev/zero | tr '\0' 'x')" >"$scratch/long.jsonl"
for policy in left middle; do score "$scratch/long.jsonl" --overflow $policy >>"$actual"; done
finish
