#!/usr/bin/env python3
"""Which parts of the circle help? Runs searches that differ in one part each, at equal model
tokens, and compares their winners on the final split, seed by seed.

    python3 experiments/ablation/ablate.py run    [--csv FILE] [--out FOLDER] [--lamarck PROGRAM]
                                                  [--budget TOKENS] [--seeds N] [--tasks a,b]
                                                  [--arms a,b] [--threads N]
    python3 experiments/ablation/ablate.py table  [--csv FILE]

`run` appends one line per finished search to the CSV and skips what is there already, so it may be
stopped and started at will. All searches of a task share a folder: what one has computed saves
the next one time, and is charged to it all the same. `table` prints, for each task, the mean final
score of each arm and its difference from the genetic algorithm alone, with the 95 % t-interval
over seeds. Needs nothing but Python's standard library."""

import argparse
import statistics
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from measuring import (PROGRAM, append_row, call, finish_last, read_rows,  # noqa: E402
                       settings, shown, with_interval)

TASKS = ["antonyms", "translation"]
# name: settings; the most telling first, in case somebody stops it early
ARMS = {
    "ga": [],
    "projected": ["search.hybrid=[projected]"],
    "nearest": ["search.hybrid=[nearest]"],
    "swaps": ["search.hybrid=[swaps]"],
    "random": ["search.kind=random"],
    "all": ["search.hybrid=on"],
}
FIELDS = ["task", "seed", "arm", "budget", "tokens", "proposals", "candidates_best", "final_best",
          "final_first_choice", "final_seed", "search_best", "lineage", "guests", "survivors",
          "seconds"]


def run_one(a, task, seed, arm):
    folder = Path(a.out) / task
    finish_last(a.lamarck, "evolve", folder)
    call(a.lamarck, "evolve", HERE / f"{task}.yaml", "--out", folder, "--seed", seed,
         "--budget", f"tokens={a.budget}",
         *settings([*ARMS[arm], f"engine.threads={a.threads}"]))
    run = shown(a.lamarck, folder)
    best, first = run["best"], run["seed"]
    parts = {"gradient": "swaps", "nearest": "nearest", "projected": "projected"}
    made = "+".join(step["operators"] for step in run["lineage"]).split("+")
    return dict(task=task, seed=seed, arm=arm, budget=a.budget, tokens=run["spent"]["tokens"],
                proposals=run["spent"]["by_purpose"]["proposals"]["tokens"],
                candidates_best=best["id"], final_best=best["final_score"],
                final_first_choice=best["final_first_choice"], final_seed=first["final_score"],
                search_best=best["search_score"],
                lineage=" ".join(parts[p] for p in parts if p in made),
                guests=sum(g["entered"] for g in run["immigrants"]),
                survivors=sum(g["survived"] for g in run["immigrants"]),
                seconds=round(run["spent"]["seconds"], 1))


def run(a):
    path = Path(a.csv)
    for seed, task, arm in [(s, t, m) for s in range(1, a.seeds + 1) for t in a.tasks.split(",")
                            for m in a.arms.split(",")]:
        done = {(r["task"], r["seed"], r["arm"], r["budget"]) for r in read_rows(path)}
        if (task, str(seed), arm, str(a.budget)) not in done:
            append_row(path, FIELDS, run_one(a, task, seed, arm))


def own_winners(rows, arm):
    """How many winners have the arm's own part among their forebears."""
    if arm not in ("swaps", "nearest", "projected"):
        return ""
    return f"{sum(arm in r['lineage'].split() for r in rows)} of {len(rows)}"


def guests(rows, arm):
    if arm not in ("nearest", "projected", "all"):
        return ""
    return f"{sum(int(r['guests']) for r in rows)}, {sum(int(r['survivors']) for r in rows)}"


def minus_ga(scores, base, arm):
    shared = [s for s in scores if s in base]
    if arm == "ga" or not shared:
        return ""
    return with_interval([scores[s] - base[s] for s in shared])


def table(a):
    rows = read_rows(Path(a.csv))
    for task, budget in dict.fromkeys((r["task"], r["budget"]) for r in rows):
        by_arm = {arm: [r for r in rows if (r["task"], r["budget"], r["arm"]) ==
                        (task, budget, arm)] for arm in ARMS}
        scores = {arm: {r["seed"]: float(r["final_best"]) for r in of}
                  for arm, of in by_arm.items()}
        print(f"{task}, {budget} tokens a search\n\n"
              "| search | seeds | final score | minus ga | texts that came, survived the race | "
              "winners that descend from it |\n|---|---|---|---|---|---|")
        for arm, of in by_arm.items():
            if of:
                print(f"| {arm} | {len(of)} | {statistics.fmean(scores[arm].values()):.3f} | "
                      f"{minus_ga(scores[arm], scores['ga'], arm)} | {guests(of, arm)} | "
                      f"{own_winners(of, arm)} |")
        print()


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=["run", "table"])
    p.add_argument("--csv", default=str(HERE / "results.csv"))
    p.add_argument("--out", default="runs/ablation")
    p.add_argument("--lamarck", default=str(PROGRAM))
    p.add_argument("--budget", type=int, default=40000)
    p.add_argument("--seeds", type=int, default=5, choices=range(1, 11))
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--tasks", default=",".join(TASKS))
    p.add_argument("--arms", default=",".join(ARMS))
    a = p.parse_args()
    run(a) if a.what == "run" else table(a)


if __name__ == "__main__":
    main()
