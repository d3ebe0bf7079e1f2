#!/usr/bin/env python3
"""Does PEFT read an adapter of ours as what it is?  tests/cli/peft.sh runs

    python3 tests/peft_loads.py ADAPTER VALUES.npy ROWS.jsonl SCORES.jsonl

ADAPTER and VALUES.npy are two exports of one prefix of tests/data/tiny-f32.gguf; SCORES.jsonl is
what `lamarck score --rows ROWS.jsonl --prefix ADAPTER` printed. PEFT loads the adapter in front of
the same model in transformers, and must hold the values bit for bit, put them where VALUES.npy
has them, warn of nothing in the configuration, and give the same log-probabilities."""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent / "fixtures"))
from make_prefixes import model_of  # noqa: E402
from make_tiny_models import VARIANTS  # noqa: E402
from peft import PeftModel  # noqa: E402

NEAR = 1e-4  # of a row's log-probability: ours is float32, theirs float64


def load(adapter):
    _, model = model_of(list(VARIANTS).index("f32"), VARIANTS["f32"])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        m = PeftModel.from_pretrained(model, adapter)
    for w in said:
        if "config" in str(w.message).lower() or "keyword" in str(w.message).lower():
            sys.exit(f"PEFT warns: {w.message}")
    return m.eval()


def stands_before(m):
    """(n, C), or (n, L, 2, Hkv, D) out of the cache that the model is given."""
    given = m.get_prompt(1)
    if torch.is_tensor(given):
        return given[0]
    cache = getattr(given, "self_attention_cache", given)
    layers = [torch.stack((layer.keys[0], layer.values[0])) for layer in cache.layers]
    return torch.stack(layers).permute(3, 0, 1, 2, 4)


def score(m, row):
    ids = row["context_ids"] + row["target_ids"]
    logits = m(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids))).logits[0]
    logprobs = torch.log_softmax(logits[-len(ids):], -1)
    return sum(float(logprobs[i - 1, ids[i]]) for i in range(len(row["context_ids"]), len(ids)))


@torch.no_grad()
def main(adapter, values, rows, scores):
    ours = np.load(values)
    m = load(adapter)
    held = m.prompt_encoder["default"].embedding.weight.detach()
    if held.dtype != torch.float32 or held.numpy().tobytes() != ours.tobytes():
        sys.exit("PEFT holds other values")
    if not np.array_equal(stands_before(m).float().numpy(), ours):
        sys.exit("PEFT puts the values elsewhere")
    m.double()
    lines = lambda path: [json.loads(line) for line in Path(path).read_text().splitlines()]
    far = max(abs(score(m, r) - s["logprob"]) for r, s in zip(lines(rows), lines(scores), strict=True))
    if not far <= NEAR:
        sys.exit(f"PEFT's log-probabilities differ by {far:g}")
    print(m.peft_config["default"].peft_type.value, ours.shape, "the same in PEFT")
    print(f"log-probabilities within {far:.1e}", file=sys.stderr)


main(*sys.argv[1:])
