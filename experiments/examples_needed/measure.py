#!/usr/bin/env python3
"""How many examples does each way of finding a prompt need?

usage: measure.py --out DIR [--lamarck PROGRAM] [--model GGUF] [--tasks antonyms,plurals]
                  [--examples 10,30,100] [--seeds 1,2,3,4,5] [--budget 40000]
                  [--nice N] [--threads N]

methods
  user     the experiment file's own prompt: nothing is learned
  evolved  lamarck evolve
  prompt   lamarck prefix, 20 virtual tokens at the input
  prefix   lamarck prefix, 20 virtual tokens, keys and values at every layer

All get the same examples: two thirds to search or train on, one third to choose on. The seed
decides which (data.split_seed), and is the method's own seed as well. What is reported is the
score on the file's final split, dealt after the others by the same shuffle, so within a seed and
a number of examples all methods meet the same rows; --budget caps each in model tokens, a
backward pass counting as two forward passes.

Results are appended to DIR/results.csv; what is there already is not run again, and a run that
was stopped goes on.
"""
import argparse
import csv
import json
import os
import sqlite3
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
COLUMNS = ["task", "examples", "seed", "method", "final", "first_choice", "tokens", "seconds",
           "steps", "stop_reason"]
METHODS = {"evolved": ("evolve", []),
           "prompt": ("prefix", ["prefix.method=prompt", "prefix.tokens=20"]),
           "prefix": ("prefix", ["prefix.method=prefix", "prefix.tokens=20"])}


def unfinished(folder):
    path = os.path.join(folder, "lamarck.sqlite")
    if not os.path.exists(path):
        return False
    with sqlite3.connect("file:%s?mode=ro" % path, uri=True) as db:
        return db.execute("SELECT 1 FROM run WHERE status <> 'finished'").fetchone() is not None


def call(args, command, *arguments):
    done = subprocess.run(["nice", "-n", str(args.nice), args.lamarck, command, *arguments],
                          capture_output=True, text=True, encoding="utf-8",
                          env=dict(os.environ, OMP_WAIT_POLICY="passive"))
    if done.returncode != 0:
        sys.exit("lamarck %s %s: %s" % (command, " ".join(arguments), done.stderr[-1000:]))
    return json.loads(done.stdout)


def run(args, task, n, seed, method):
    """What `show --json` has of the method's run."""
    command, changes = METHODS[method]
    folder = os.path.join(args.out, task, "%s-%d-%d" % (method, n, seed))
    if unfinished(folder):
        return call(args, command, "--resume", folder, "--json")
    n_search = n - n // 3
    changes = changes + ["model=" + args.model, "data.search=%d" % n_search,
                         "data.selection=%d" % (n // 3), "data.split_seed=%d" % seed,
                         "budget.tokens=%d" % args.budget, "engine.threads=%d" % args.threads]
    return call(args, command, os.path.join(HERE, "..", task, "experiment.yaml"), "--out", folder,
                "--seed", str(seed), "--json", *(a for c in changes for a in ("--set", c)))


def rows_of(task, n, seed, method, shown):
    """The method's row, and the user's prompt's, which every run scores."""
    def row(name, prompt, tokens, seconds, steps):
        return {"task": task, "examples": n, "seed": seed, "method": name,
                "final": "%.6f" % prompt["final_score"],
                "first_choice": prompt["final_first_choice"], "tokens": tokens,
                "seconds": seconds, "steps": steps, "stop_reason": shown["stop_reason"]}
    training = shown.get("training")
    steps = len(training["steps"]) if training else shown["history"][-1]["step"]
    rows = [row(method, shown["best"], shown["spent"]["tokens"],
                "%.1f" % shown["spent"]["seconds"], steps)]
    if method == "evolved":
        rows.append(row("user", shown["seed"], 0, "0", 0))
    return rows


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--out", required=True)
    parser.add_argument("--lamarck", default=os.path.join(HERE, "../../build/release/lamarck"))
    parser.add_argument("--model", default=os.environ.get("LAMARCK_MODEL"))
    parser.add_argument("--tasks", default="antonyms,plurals")
    parser.add_argument("--examples", default="10,30,100")
    parser.add_argument("--seeds", default="1,2,3,4,5")
    parser.add_argument("--budget", type=int, default=40000)
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    if not args.model:
        parser.error("--model, or the environment variable LAMARCK_MODEL, must name the GGUF")
    args.lamarck, args.model = os.path.abspath(args.lamarck), os.path.abspath(args.model)
    os.makedirs(args.out, exist_ok=True)
    path = os.path.join(args.out, "results.csv")
    new = not os.path.exists(path)
    with open(path, "a+", newline="", encoding="utf-8") as file:
        file.seek(0)
        done = {(r["task"], r["examples"], r["seed"], r["method"]) for r in csv.DictReader(file)}
        out = csv.DictWriter(file, COLUMNS)
        if new:
            out.writeheader()
        for task in args.tasks.split(","):
            for seed in args.seeds.split(","):
                for n in args.examples.split(","):
                    for method in METHODS:
                        if (task, n, seed, method) in done:
                            continue
                        shown = run(args, task, int(n), int(seed), method)
                        rows = rows_of(task, int(n), int(seed), method, shown)
                        out.writerows(rows)
                        file.flush()
                        print("%-9s %4s examples  seed %s  %-8s %8s  %s tokens  %s s" % (
                            task, n, seed, method, rows[0]["final"], rows[0]["tokens"],
                            rows[0]["seconds"]), flush=True)


if __name__ == "__main__":
    main()
