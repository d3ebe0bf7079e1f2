#!/usr/bin/env python3
"""Score prompts x examples with transformers in float32.

usage: score_transformers.py HF_FOLDER WORKLOAD.json --tokenizer TOKENIZER.json
           [--mode reuse|padded] [--batch 32] [--threads 2] [--prompts N] [--examples N]
           [--scores OUT.json]

reuse    what a careful user does: a prompt runs once, its keys and values are repeated over a
         batch of rows in which only the rest runs; logits at target positions only.
padded   what scripts mostly do: whole rows, padded to the longest of the batch, logits at
         every position.

Prints "pairs N seconds S". The timed window holds the model and the log-probabilities;
loading and tokenising are outside. --scores writes {"loglik": [[...]]}, a row per prompt:
tests/data/score64_ref.json was made so, with --mode reuse.
"""
import argparse
import json
import time

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, DynamicCache


def rows_of(work, tokenizer, prompt, examples):
    """[(ids, index of the first target id)] of one prompt."""
    rows = []
    for x in examples:
        context = work["template"].split(" {target}")[0].format(prompt=prompt, **x)
        whole = work["template"].format(prompt=prompt, **x)
        ids = tokenizer.encode(whole, add_special_tokens=False).ids
        start = len(tokenizer.encode(context, add_special_tokens=False).ids)
        rows.append((ids, start))
    return rows


def padded(rows, value=0):
    width = max(len(r) for r in rows)
    return torch.tensor([list(r) + [value] * (width - len(r)) for r in rows])


def gather(logits, targets):
    """logits [T, V] of the positions before the targets -> sum of ln p."""
    return float(logits.log_softmax(-1).gather(1, torch.tensor(targets)[:, None]).sum())


def score_padded(model, rows, batch):
    out = []
    for at in range(0, len(rows), batch):
        part = rows[at:at + batch]
        ids = padded([r for r, _ in part])
        mask = padded([[1] * len(r) for r, _ in part])
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        out += [gather(logits[i, start - 1:len(r) - 1], r[start:])
                for i, (r, start) in enumerate(part)]
    return out


def shared_length(rows):
    n = min(start - 1 for _, start in rows)
    while any(r[:n] != rows[0][0][:n] for r, _ in rows):
        n -= 1
    return n


def repeated(cache, config, times):
    many = DynamicCache(config=config)
    for i, layer in enumerate(cache.layers):
        many.update(layer.keys.expand(times, -1, -1, -1),
                    layer.values.expand(times, -1, -1, -1), i)
    return many


def score_reusing(model, rows, batch):
    n = shared_length(rows)
    cache = DynamicCache(config=model.config)
    model.model(input_ids=torch.tensor([rows[0][0][:n]]), past_key_values=cache,
                use_cache=True)
    out = [0.0] * len(rows)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i][0]))  # little padding
    for at in range(0, len(order), batch):
        part = [rows[i] for i in order[at:at + batch]]
        hidden = model.model(
            input_ids=padded([r[n:] for r, _ in part]),
            attention_mask=padded([[1] * len(r) for r, _ in part]),
            past_key_values=repeated(cache, model.config, len(part)),
            use_cache=True).last_hidden_state
        wanted = torch.cat([hidden[i, start - 1 - n:len(r) - 1 - n]
                            for i, (r, start) in enumerate(part)])
        logits = model.lm_head(wanted).split([len(r) - start for r, start in part])
        for i, (r, start), z in zip(order[at:at + batch], part, logits):
            out[i] = gather(z, r[start:])
    return out


def main():
    ap = argparse.ArgumentParser(usage=__doc__)
    ap.add_argument("model")
    ap.add_argument("workload")
    ap.add_argument("--tokenizer", required=True)
    ap.add_argument("--mode", choices=["reuse", "padded"], default="reuse")
    ap.add_argument("--batch", type=int, default=32)
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--prompts", type=int)
    ap.add_argument("--examples", type=int)
    ap.add_argument("--scores")
    args = ap.parse_args()
    torch.set_num_threads(args.threads)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    tokenizer = Tokenizer.from_file(args.tokenizer)
    with open(args.workload, encoding="utf-8") as f:
        work = json.load(f)
    examples = work["examples"][:args.examples]
    jobs = [rows_of(work, tokenizer, p, examples) for p in work["prompts"][:args.prompts]]
    score = score_padded if args.mode == "padded" else score_reusing
    with torch.inference_mode():
        start = time.perf_counter()
        scores = [score(model, rows, args.batch) for rows in jobs]
        seconds = time.perf_counter() - start
    print("pairs %d seconds %.4f" % (sum(map(len, scores)), seconds))
    if args.scores:
        with open(args.scores, "w", encoding="utf-8") as f:
            json.dump({"loglik": [[round(v, 5) for v in row] for row in scores]}, f,
                      separators=(",", ":"))
            f.write("\n")


if __name__ == "__main__":
    main()
