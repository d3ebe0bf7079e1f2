#!/usr/bin/env bash
# Rows in, gradients out: those of torch.autograd (tests/fixtures/make_gradients.py).
. "$(dirname "$0")/common"
cat >"$scratch/rows.jsonl" <<'ROWS'
{"context_ids": [183, 2, 43, 112, 82, 24, 138, 144, 267], "target_ids": [130, 198, 205]}
{"context_ids": [183, 2, 43, 112, 82], "target_ids": [189, 86, 36, 180]}
{"context_ids": [147], "target_ids": [163]}
ROWS
gradient() { "$LAMARCK" gradient "$model" --rows "$scratch/rows.jsonl" --out "$scratch/$1" "${@:2}"; }
header() { od -A n -t u8 -N 8 "$1" | tr -d ' '; }
floats() { od -A n -v -t f4 -w4 -j "$2" "$1"; } # FILE SKIP
# The file of the fixture has one number, the loss, before each row's gradient.
expected_floats() {
    floats tests/data/tiny-f32-gradient.f32 0 | sed -n -e 2,385p -e 387,674p -e 676,739p
}
{
    gradient g.safetensors >"$scratch/printed" 2>"$scratch/said"
    note "exit $?"
    sed -E 's/[0-9.]+ MiB/N MiB/' "$scratch/said"
    "$LAMARCK" score "$model" --rows "$scratch/rows.jsonl" | cmp - "$scratch/printed" || note "other scores"
    bytes=$(header "$scratch/g.safetensors")
    tail -c +9 "$scratch/g.safetensors" | head -c "$bytes" |
        grep -oE '"row[^"]*"|"F32"|"shape": ?\[[0-9, ]+\]' | tr -d ' ' | sort
    floats "$scratch/g.safetensors" $((8 + bytes)) >"$scratch/got"
    expected_floats | paste - "$scratch/got" |
        awk '{ n++; d += ($1 - $2) ^ 2; s += $1 ^ 2 } END { print n, sqrt(d / s) < 1e-4 ? "near" : "far" }'
    gradient one.safetensors --threads 1 >/dev/null 2>&1
    cmp "$scratch/g.safetensors" "$scratch/one.safetensors" || note "threads change the numbers"
} >>"$actual"
note "none:"
printf '' >"$scratch/none.jsonl"
run gradient "$model" --rows "$scratch/none.jsonl" --out "$scratch/none.safetensors"
note "what makes no sense:"
printf '{"context": "a", "tarjet": "b"}\n' >"$scratch/key.jsonl"
printf '{"context": "%s", "target": "b"}\n' "$(head -c 200 /dev/zero | tr '\0' 'x')" >"$scratch/long.jsonl"
run gradient "$model"
run gradient "$model" --rows "$scratch/rows.jsonl"
run gradient --rows "$scratch/rows.jsonl" --out "$scratch/x"
run gradient "$model" --rows "$scratch/key.jsonl" --out "$scratch/x"
run gradient "$model" --rows "$scratch/long.jsonl" --out "$scratch/x"
run gradient "$model" --rows "$scratch/rows.jsonl" --out "$scratch/no/where" # before it computes
run gradient "$model" --rows "$scratch/rows.jsonl" --out "$scratch"
[ -e "$scratch/x" ] && note "a file was left behind"
finish
