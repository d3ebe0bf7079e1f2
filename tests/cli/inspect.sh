#!/usr/bin/env bash
# What a model file is: what of it does not depend on the machine.
. "$(dirname "$0")/common"
inspect() {
    note "$1"
    "$LAMARCK" inspect "tests/data/$1.gguf" | grep -E '^(family|attention|window|sliding)' >>"$actual"
    "$LAMARCK" inspect "tests/data/$1.gguf" --json |
        python3 -c 'import json, sys; d = json.load(sys.stdin); print(
            *(f"{k} {d[k]}" for k in ("window", "sliding_window", "sliding_layers")), sep=", ")' >>"$actual"
}
inspect tiny-qwen2
inspect tiny-mistral
inspect tiny-local
# a window that is no number of tokens
python3 - tests/data/tiny-mistral.gguf "$scratch/bad.gguf" <<'PY'
import struct, sys
data = open(sys.argv[1], "rb").read()
key = b"llama.attention.sliding_window" + struct.pack("<I", 4)  # u32
assert data.count(key) == 1
at = data.index(key) + len(key)
data = data[:at - 4] + struct.pack("<If", 6, 8.5) + data[at + 4:]  # f32
open(sys.argv[2], "wb").write(data)
PY
run inspect "$scratch/bad.gguf"
finish
