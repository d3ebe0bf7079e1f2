#!/usr/bin/env bash
# A model with NaN in its weights: the rows before the first that meets it are answered, and that
# row's line is named.
. "$(dirname "$0")/common"
model=tests/data/tiny-f16-untied.gguf
# The vector of one token, that of "z", becomes NaN.
id=$(echo '{"text": "z"}' | "$LAMARCK" tokenize $model - | tr -dc 0-9)
python3 - $model "$scratch/nan.gguf" "$id" <<'PY'
import re, struct, sys
data = bytearray(open(sys.argv[1], "rb").read())
# Behind a tensor's name: number of dimensions, dimensions, type, offset into the data.
ends, where = [], {}
for found in re.finditer(rb"[a-z0-9_.]+\.(weight|bias)", data):
    n, = struct.unpack_from("<I", data, found.end())
    dims = struct.unpack_from(f"<{n}Q", data, found.end() + 4)
    kind, offset = struct.unpack_from("<IQ", data, found.end() + 4 + 8 * n)
    ends.append(found.end() + 16 + 8 * n)
    where[found.group()] = dims, kind, offset
dims, kind, offset = where[b"token_embd.weight"]
assert kind == 1, "f16 is expected"
begin = -(-max(ends) // 32) * 32 + offset + int(sys.argv[3]) * dims[0] * 2
data[begin : begin + 2] = struct.pack("<H", 0x7E00)
open(sys.argv[2], "wb").write(data)
PY
printf '{"context": "%s", "target": "b"}\n' a ab '' ac az abc az >"$scratch/rows.jsonl"
sed -i '3s/.*//' "$scratch/rows.jsonl" # an empty line counts, and is no row
digits() { sed -E 's/(\.[0-9]{2})[0-9]*/\1/'; }
"$LAMARCK" score "$scratch/nan.gguf" --rows "$scratch/rows.jsonl" 2>&1 | digits | neutral >>"$actual"
note "exit ${PIPESTATUS[0]}"
note "the rows before it have the numbers of the whole model:"
head -2 "$scratch/rows.jsonl" | "$LAMARCK" score $model --rows - | digits >>"$actual"
finish
