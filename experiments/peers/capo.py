#!/usr/bin/env python3
"""CAPO (Zehle et al. 2025; PyPI promptolution) on the project's own engine, under a hard cap
of model tokens.

usage: capo.py TASK.json OUT.json --lamarck PROGRAM --model GGUF --budget TOKENS [--seed N]
               [--block 16] [--shots 5] [--crossovers 4] [--few-shot-rows 16] [--nice N]
               [--threads N]

TASK.json: name, description, prompts (the starting population), rows: [{input, targets}]. OUT.json: the best prompt as a template with {{input}} and {{target}}, and the
tokens spent.

Everything goes through CAPO's own interface. One model plays both parts: it answers, and it
rewrites and merges prompts. Its texts come from `lamarck generate`, which is held to
PyTorch's greedy texts by the test-suite and shares what prompts have in common; tokens are
counted as a server would bill them, whole prompts and everything generated.

An answer is the first line after "Output:", and is right when it equals a target in lower
case. Settings not named above are the package's defaults: alpha 0.2, length penalty 0.05.
"""
import argparse
import json
import os
import random
import sys

import numpy as np
import pandas as pd
from promptolution.llms.base_llm import BaseLLM
from promptolution.optimizers.capo import CAPO
from promptolution.predictors.base_predictor import BasePredictor
from promptolution.tasks.classification_tasks import ClassificationTask

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../comparison"))
from lab import Engine, first_line  # noqa: E402

END_OF_INPUT = "\nOutput:\n"
BETWEEN_TARGETS = "\x1f"
CHAT_TOKENS = 40  # at least what a chat format adds to a message
META_TOKENS = 64


class OverBudget(Exception):
    pass


class Account:
    """Tokens of both parts together. Nothing is begun that could break the cap."""

    def __init__(self, budget):
        self.budget, self.spent, self.used_up = budget, 0, False

    def require(self, tokens):
        if self.spent + tokens > self.budget:
            self.used_up = True
            raise OverBudget("%d + %d of %d tokens" % (self.spent, tokens, self.budget))


class Model(BaseLLM):
    def __init__(self, engine, account, max_tokens, seed=None):
        """A seed makes it the writer of prompts: chat format, temperature 0.7."""
        super().__init__()
        self.engine, self.account, self.max_tokens = engine, account, max_tokens
        self.seed, self.calls = seed, 0
        self.lengths = {}
        self.tokenizer = self  # CAPO asks it for the length of prompts

    def count(self, texts):
        """Token counts, remembered: CAPO asks for the same texts again, one by one."""
        new = [t for t in dict.fromkeys(texts) if t not in self.lengths]
        self.lengths.update(zip(new, self.engine.count_tokens(new)))
        return [self.lengths[t] for t in texts]

    def encode(self, text):
        return range(self.count([text])[0])

    def update_token_count(self, inputs, outputs):
        """The package would count words; the account counts tokens."""

    def _get_response(self, prompts, system_prompts):
        if not prompts:
            return []
        writes = self.seed is not None
        texts = prompts if writes else [p + END_OF_INPUT for p in prompts]
        counts = self.count(texts)
        self.account.require(sum(counts) + len(texts) * (
            self.max_tokens + 1 + CHAT_TOKENS * writes))
        self.calls += 1
        sampling = dict(chat=True, temperature=0.7, top_p=0.95,
                        seed=self.seed * 1000 + self.calls) if writes else dict(stops=["\n"])
        got = self.engine.generate(texts, self.max_tokens, **sampling)
        self.account.spent += sum(g["prompt_tokens"] + len(g["ids"]) +
                                  (g["finish"] == "eos") for g in got)
        answers = [g["text"] for g in got]
        if not writes:  # what CAPO will ask the lengths of
            asked = [p.rsplit("\n", 1) for p in prompts]
            self.count([part for pair in asked for part in pair] +
                       ["%s\n%s" % (x, a) for (_, x), a in zip(asked, answers)])
        return answers


class FirstLine(BasePredictor):
    begin_marker = end_marker = ""  # what CAPO puts around a demonstration's target

    def _extract_preds(self, preds):
        return [first_line(p).strip(" .\"'").lower() for p in preds]


def is_right(targets, answers):
    return float(answers[0] in targets[0].split(BETWEEN_TARGETS))


def starting_task(job, args):
    """The rows to race on, and the rows apart that demonstrations are taken from."""
    rows = list(job["rows"])
    random.Random(args.seed).shuffle(rows)
    shots = pd.DataFrame([{"x": r["input"], "y": r["targets"][0]}
                          for r in rows[:args.few_shot_rows]])
    frame = pd.DataFrame([{"x": r["input"],
                           "y": BETWEEN_TARGETS.join(t.lower() for t in r["targets"])}
                          for r in rows[args.few_shot_rows:]]).drop_duplicates("x")
    task = ClassificationTask(frame.reset_index(drop=True), x_column="x", y_column="y",
                              task_description=job["description"], n_subsamples=args.block,
                              eval_strategy="sequential_block", seed=args.seed,
                              metric=is_right)
    return task, shots


def best_so_far(optimizer, task):
    """CAPO sorts its population after each step. If not one was finished within the budget,
    the best is whoever has the highest mean among those measured on the most rows."""
    if len(optimizer.scores):
        return optimizer.prompts[0]
    ranked = []
    for p in optimizer.prompts:
        seen = [s for (text, _, _), s in task.eval_cache.items() if text == str(p)]
        ranked.append((len(seen), float(np.mean(seen)) if seen else 0.0))
    return optimizer.prompts[max(range(len(ranked)), key=lambda i: (ranked[i], -i))]


def main():
    ap = argparse.ArgumentParser(usage=__doc__)
    ap.add_argument("task")
    ap.add_argument("out")
    ap.add_argument("--lamarck", required=True)
    ap.add_argument("--model", required=True)
    ap.add_argument("--budget", type=int, required=True)
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--block", type=int, default=16)
    ap.add_argument("--shots", type=int, default=5)
    ap.add_argument("--crossovers", type=int, default=4)
    ap.add_argument("--few-shot-rows", type=int, default=16)
    ap.add_argument("--nice", type=int, default=0)
    ap.add_argument("--threads", type=int, default=0)
    args = ap.parse_args()
    with open(args.task, encoding="utf-8") as f:
        job = json.load(f)
    random.seed(args.seed)  # CAPO draws from both global generators
    np.random.seed(args.seed)
    engine = Engine(args.lamarck, args.model, args.nice, args.threads)
    account = Account(args.budget)
    longest = max(engine.count_tokens([" " + t for r in job["rows"] for t in r["targets"]]))
    reader = Model(engine, account, longest + 2)
    writer = Model(engine, account, META_TOKENS, seed=args.seed)
    task, shots = starting_task(job, args)
    optimizer = CAPO(FirstLine(reader), task, meta_llm=writer,
                     initial_prompts=job["prompts"], crossovers_per_iter=args.crossovers,
                     upper_shots=args.shots, max_n_blocks_eval=10, df_few_shots=shots,
                     create_fs_reasoning=False, check_fs_accuracy=False)
    try:
        optimizer.optimize(n_steps=10000)
    except OverBudget as e:  # before the first step; inside steps CAPO itself catches it
        print("ended before the first step:", e)
    if not account.used_up:  # it logs any exception of a step and stops, a bug's too
        sys.exit("CAPO stopped for another reason than its budget: see the log above")
    best = best_so_far(optimizer, task)
    with open(args.out, "w", encoding="utf-8") as f:
        json.dump({"prompt": best.construct_prompt() + "\n{{input}}" + END_OF_INPUT +
                   "{{target}}", "tokens": account.spent, "instruction": best.instruction,
                   "few_shots": len(best.few_shots)}, f)


if __name__ == "__main__":
    main()
