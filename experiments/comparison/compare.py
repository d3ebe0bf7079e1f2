#!/usr/bin/env python3
"""Run every method on every experiment with the same number of model tokens.

usage: compare.py --out DIR [--lamarck PROGRAM] [--model GGUF] [--budget TOKENS]
                  [--seeds 1,2,3,4,5] [--experiments antonyms,…] [--methods ga,…]
                  [--capo-python PYTHON] [--nice N]
                  [--threads N] [--set a.b=c]…

methods
  ga         lamarck evolve, as the experiment file says
  ga-norace  the same with search.racing=off and half the population: whole generations of
             the full one would leave much of the budget unspent
  random     the same with search.kind=random
  humans     the best of ten prompts that people wrote (humans.json; the experiment files
             start from the first four)
  demos      the best of ten random sets of three demonstrations before the file's seed
  capo       CAPO (PyPI promptolution) from the same ten prompts; --capo-python is a
             Python that has it

--budget 0, the default, takes each experiment file's own. Tokens are those of all rows that
a method has scored or generated, the sharing of beginnings not taken off. `lamarck evolve`
pays for its final comparison out of the budget; the others get their winner's final score
for nothing. Every winner is scored on the same final split, once by the experiment's fitness
and, where that is a likelihood, by exact match of the first line that the model writes, or by
whether the likeliest label is right.

Results are appended to DIR/results.jsonl; what is there already is not run again.
"""
import argparse
import json
import os
import random
import subprocess
import sys

from lab import Engine, Experiment, append_line, read_lines, unfinished_run

HERE = os.path.dirname(os.path.abspath(__file__))
SHIPPED = ["antonyms", "plurals", "translation", "sentiment"]
METHODS = ["ga", "ga-norace", "random", "humans", "demos", "capo"]
CHANGES = {"ga": [], "ga-norace": ["search.racing=off", "search.population=6"],
           "random": ["search.kind=random"]}
DEMO_SETS, DEMOS_PER_SET = 10, 3


def evolve(lab, name, method, seed):
    """A run of the program; its prompt, its own account and its own final score."""
    if unfinished_run(lab.folder(name)):  # a comparison was stopped here; its scores are kept
        lab.engine.call("evolve", "--resume", lab.folder(name))
    changes = list(CHANGES[method]) + lab.args.set
    changes += ["engine.threads=%d" % lab.args.threads]
    if lab.args.budget:
        changes.append("budget.tokens=%d" % lab.args.budget)
    out = lab.engine.call("evolve", lab.file(name), "--out", lab.folder(name), "--seed",
                          str(seed), "--set", "model=" + lab.args.model, "--json",
                          *(a for c in changes for a in ("--set", c)))
    run = json.loads(out)
    return {"prompt": run["best"]["prompt"], "tokens": run["spent"]["tokens"],
            "seconds": run["spent"]["seconds"], "reported": run["best"]["final_score"],
            "seed_prompt_score": run["seed"]["final_score"], "generations":
            run["history"][-1]["generation"], "run": run["run"]}


def best_of(lab, experiment, prompts, seed):
    """The best prompt by its mean on as many shuffled search and selection rows as all of
    them can be scored on within the budget."""
    rows = experiment.rows("search", "selection")
    random.Random(seed).shuffle(rows)
    cost = experiment.tokens(lab.engine, prompts, rows)
    budget = lab.args.budget or experiment.budget
    n = spent = 0
    while n < len(rows) and spent + sum(c[n] for c in cost) <= budget:
        spent += sum(c[n] for c in cost)
        n += 1
    scores = experiment.score(lab.engine, prompts, rows[:n])
    best = max(range(len(prompts)), key=lambda p: (sum(scores[p]), -p))
    return {"prompt": prompts[best], "tokens": spent, "rows": n,
            "search_score": sum(scores[best]) / n}


def humans(lab, experiment, seed):
    """Where all rows fit into the budget, seeds do not differ and one is enough."""
    n_rows = len(experiment.rows("search", "selection"))
    for r in read_lines(lab.results):
        if (r["experiment"], r["method"], r.get("rows")) == (experiment.name, "humans", n_rows):
            return {k: r[k] for k in ("prompt", "tokens", "rows", "search_score")}
    prompts = [experiment.fill(i, []) for i in lab.humans[experiment.name]]
    return best_of(lab, experiment, prompts, seed)


def demos(lab, experiment, seed):
    pool = experiment.rows("search")
    draw = random.Random(seed)
    instruction = experiment.genes["instruction"]["seed"]
    prompts = [experiment.fill(instruction, draw.sample(pool, DEMOS_PER_SET))
               for _ in range(DEMO_SETS)]
    return best_of(lab, experiment, prompts, seed)


def capo(lab, experiment, seed):
    task = {"name": experiment.name, "description": experiment.json["description"],
            "prompts": lab.humans[experiment.name],
            "rows": [{"input": r["values"][0], "targets": r["targets"]}
                     for r in experiment.rows("search", "selection")]}
    path = os.path.join(lab.args.out, "capo-%s-%d" % (experiment.name, seed))
    with open(path + ".task.json", "w", encoding="utf-8") as f:
        json.dump(task, f)
    with open(path + ".log", "w", encoding="utf-8") as log:
        subprocess.run([lab.args.capo_python, os.path.join(HERE, "../peers/capo.py"),
                        path + ".task.json", path + ".json",
                        "--lamarck", lab.args.lamarck, "--model", lab.args.model,
                        "--budget", str(lab.args.budget or experiment.budget),
                        "--seed", str(seed), "--nice", str(lab.args.nice),
                        "--threads", str(lab.args.threads)],
                       stdout=log, stderr=log, check=True)
    with open(path + ".json", encoding="utf-8") as f:
        return json.load(f)


class Lab:
    def __init__(self, args):
        self.args = args
        self.engine = Engine(args.lamarck, args.model, args.nice, args.threads)
        self.results = os.path.join(args.out, "results.jsonl")
        self.done = {(r["experiment"], r["method"], r["seed"])
                     for r in read_lines(self.results)}
        self.known = {}
        with open(os.path.join(HERE, "humans.json"), encoding="utf-8") as f:
            self.humans = json.load(f)

    def file(self, name):
        return os.path.join(HERE, "..", name, "experiment.yaml")

    def folder(self, name):
        return os.path.join(self.args.out, name)

    def experiment(self, name):
        if name not in self.known:
            if not os.path.exists(os.path.join(self.folder(name), "lamarck.sqlite")):
                sys.exit("%s: run ga first, its run folder holds the splits" % name)
            self.known[name] = Experiment(self.folder(name))
        return self.known[name]

    def find(self, name, method, seed):
        if method in CHANGES:
            return evolve(self, name, method, seed)
        return {"humans": humans, "demos": demos, "capo": capo}[method](
            self, self.experiment(name), seed)

    def judge(self, name, prompt):
        """Scores per example of the final split."""
        experiment = self.experiment(name)
        return experiment.judge(self.engine, prompt, experiment.rows("final"))

    def run(self, name, method, seed):
        if (name, method, seed) in self.done:
            return
        found = self.find(name, method, seed)
        judged = self.judge(name, found["prompt"])
        mean = sum(judged["final"]) / len(judged["final"])
        if "reported" in found and abs(found["reported"] - mean) > 1e-4:
            sys.exit("%s %s %d: the run reports %.6f, its prompt scores %.6f" % (
                name, method, seed, found["reported"], mean))
        append_line(self.results, dict(found, experiment=name, method=method, seed=seed,
                                       **judged))
        exact = judged.get("exact")
        print("%-12s %-10s seed %d  final %8.4f%s  %d tokens" % (
            name, method, seed, mean,
            "  exact %5.1f %%" % (100 * sum(exact) / len(exact)) if exact else "",
            found["tokens"]), flush=True)


def main():
    ap = argparse.ArgumentParser(usage=__doc__)
    ap.add_argument("--out", required=True)
    ap.add_argument("--lamarck", default=os.path.join(HERE, "../../build/release/lamarck"))
    ap.add_argument("--model", default=os.environ.get("LAMARCK_MODEL"))
    ap.add_argument("--budget", type=int, default=0)
    ap.add_argument("--seeds", default="1,2,3,4,5")
    ap.add_argument("--experiments", default=",".join(SHIPPED))
    ap.add_argument("--methods", default=",".join(METHODS))
    ap.add_argument("--capo-python", default="python3")
    ap.add_argument("--set", action="append", default=[])
    ap.add_argument("--nice", type=int, default=0)
    ap.add_argument("--threads", type=int, default=0)
    args = ap.parse_args()
    if not args.model:
        ap.error("--model, or the environment variable LAMARCK_MODEL, must name the GGUF")
    args.lamarck, args.model = os.path.abspath(args.lamarck), os.path.abspath(args.model)
    os.makedirs(args.out, exist_ok=True)
    lab = Lab(args)
    for seed in map(int, args.seeds.split(",")):
        for name in args.experiments.split(","):
            for method in args.methods.split(","):
                lab.run(name, method, seed)


if __name__ == "__main__":
    main()
