#!/usr/bin/env bash
# Texts to ids and back, for any bytes.
. "$(dirname "$0")/common"
cat >"$scratch/texts.jsonl" <<'ROWS'
{"text": ""}
{"text": "Hello, world 12"}
{"text": "  two  spaces\n\ttab"}
{"text": "Zwölf Boxkämpfer 日本語 🙂"}
{"text": "a\u0000b"}
{"text": "<|im_start|>user"}

{"bytes": "e299a5"}
{"bytes": "61FF62"}
ROWS
run tokenize "$model" "$scratch/texts.jsonl"
cp "$scratch/stdout" "$scratch/ids.jsonl"
run tokenize "$model" "$scratch/ids.jsonl" --decode
run tokenize "$model" "$scratch/texts.jsonl" --special
"$LAMARCK" tokenize "$model" - <"$scratch/texts.jsonl" | cmp - "$scratch/ids.jsonl" || note "standard input differs"
note "part of a character:"
echo '{"ids": [195]}' >"$scratch/part.jsonl"
run tokenize "$model" "$scratch/part.jsonl" --decode
finish
