#!/usr/bin/env python3
"""Time optimiser steps of PEFT's prompt or prefix tuning, in float32 on the CPU.

usage: train_peft.py HF_FOLDER --method prompt|prefix [--virtual 20] [--threads 2]

The workload is that of `lamarck bench --train`: 16 rows of 32 to 64 tokens, evenly spread, every
token but the first a target, AdamW. Two steps warm up, ten are timed.

Prints "seconds_per_step MEDIAN least L most M peak_mib P".
"""
import argparse
import resource
import statistics
import time

import torch
from peft import PrefixTuningConfig, PromptTuningConfig, TaskType, get_peft_model
from transformers import AutoModelForCausalLM

ROWS, SHORTEST, LONGEST = 16, 32, 64
WARM, TIMED = 2, 10


def lengths():
    return [SHORTEST + round((LONGEST - SHORTEST) * i / (ROWS - 1)) for i in range(ROWS)]


def batch(vocabulary, generator):
    """Rows of random tokens, padded on the right; padding carries no loss."""
    ids = torch.zeros(ROWS, LONGEST, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, n in enumerate(lengths()):
        ids[i, :n] = torch.randint(0, vocabulary, (n,), generator=generator)
        mask[i, :n] = 1
    labels = ids.masked_fill(mask == 0, -100)
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def with_adapter(model, method, n_virtual):
    config = {"prompt": PromptTuningConfig, "prefix": PrefixTuningConfig}[method]
    return get_peft_model(
        model, config(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=n_virtual))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--method", choices=["prompt", "prefix"], required=True)
    parser.add_argument("--virtual", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    generator = torch.Generator().manual_seed(1)
    base = AutoModelForCausalLM.from_pretrained(args.folder, dtype=torch.float32)
    vocabulary = base.config.vocab_size
    model = with_adapter(base, args.method, args.virtual)
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-3)
    seconds = []
    for _ in range(WARM + TIMED):
        rows = batch(vocabulary, generator)
        began = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        model(**rows).loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - began)
    timed = seconds[WARM:]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"seconds_per_step {statistics.median(timed):.4f} least {min(timed):.4f} "
          f"most {max(timed):.4f} peak_mib {peak:.0f}")


main()
