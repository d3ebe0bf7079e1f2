#!/usr/bin/env python3
"""How many examples does each way of finding a prompt need?

    measure.py run    [--csv FILE] [--out FOLDER] [--lamarck PROGRAM] [--budget TOKENS]
                      [--tasks a,b] [--examples 10,30,100] [--seeds N] [--methods a,b]
                      [--jobs N]
    measure.py table  [--csv FILE]
    measure.py plot   [--csv FILE] [--figure FILE.svg]

methods
  user     the experiment file's own prompt: nothing is learned
  evolved  lamarck evolve
  prompt   lamarck prefix: 20 virtual tokens at the input
  prefix   lamarck prefix: 20 virtual tokens, keys and values at every layer
  cmaes    lamarck evolve TASK_soft.yaml: the prompt of 20 virtual tokens without a gradient

All get the same examples: two thirds to search or train on, one third to choose on. The seed
decides which (data.split_seed), and is the method's own seed as well. The score is on the
file's final split, which the same shuffle deals, so within a seed and a number of examples all
methods meet the same rows. The budget caps each run in model tokens, its final comparison
included; a backward pass counts as two forward ones.

`run` appends one line per finished run and skips what is there already: it may be stopped and
started at will. --jobs runs go on at a time, on one thread each. `plot` needs gnuplot."""
import argparse
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from measuring import (PROGRAM, append_row, call, finish_last, interval, read_rows,  # noqa: E402
                       settings, shown, with_interval)

FIELDS = ["task", "examples", "seed", "method", "budget", "final", "first_choice", "tokens",
          "seconds", "steps", "stop_reason"]
METHODS = {"evolved": ("evolve", "../{}/experiment.yaml", []),
           "prompt": ("prefix", "../{}/experiment.yaml", ["prefix.method=prompt", "prefix.tokens=20"]),
           "prefix": ("prefix", "../{}/experiment.yaml", ["prefix.method=prefix", "prefix.tokens=20"]),
           "cmaes": ("evolve", "{}_soft.yaml", [])}
# Of seven examples to search on, no more can be shown.
TASK_SETTINGS = {"plurals": ["genes.demos.max=4"]}
TITLES = {"user": "the user's prompt", "evolved": "evolved text", "prompt": "prompt tuning",
          "prefix": "prefix tuning"}


def measure(a, task, n, seed, method):
    """What `show --json` has of the method's run."""
    command, file, own = METHODS[method]
    folder = Path(a.out) / task / f"{method}-{n}-{seed}"
    if not finish_last(a.lamarck, command, folder):
        call(a.lamarck, command, HERE / file.format(task), "--out", folder,
             "--seed", seed, "--budget", f"tokens={a.budget}",
             *settings([*own, *TASK_SETTINGS.get(task, []), f"data.search={n - n // 3}", f"data.selection={n // 3}",
                        f"data.split_seed={seed}", "engine.threads=1"]))
    return shown(a.lamarck, folder)


def rows_of(run, common):
    """The method's row, and the user's prompt's, which every run scores; once is enough."""
    def row(method, prompt, **cost):
        return dict(common, method=method, final=f"{prompt['final_score']:.6f}",
                    first_choice=prompt["final_first_choice"], **cost)
    training = run.get("training")
    steps = len(training["steps"]) if training else run["history"][-1]["step"]
    rows = [row(common["method"], run["best"], tokens=run["spent"]["tokens"],
                seconds=round(run["spent"]["seconds"], 1), steps=steps,
                stop_reason=run["stop_reason"])]
    if common["method"] == "evolved":
        rows.append(row("user", run["seed"], tokens=0, seconds=0, steps=0, stop_reason=""))
    return rows


def run(a):
    done = {(r["task"], r["examples"], r["seed"], r["method"], r["budget"])
            for r in read_rows(a.csv)}
    todo = [(t, n, s, m) for s in range(1, a.seeds + 1) for t in a.tasks.split(",")
            for n in map(int, a.examples.split(",")) for m in a.methods.split(",")
            if (t, str(n), str(s), m, str(a.budget)) not in done]

    def one(what):
        task, n, seed, method = what
        common = dict(task=task, examples=n, seed=seed, method=method, budget=a.budget)
        return rows_of(measure(a, task, n, seed, method), common)
    with ThreadPoolExecutor(a.jobs) as pool:
        for rows in pool.map(one, todo):
            for r in rows:
                append_row(a.csv, FIELDS, r)
            r = rows[0]
            print(f"{r['task']:9} {r['examples']:3} examples  seed {r['seed']}  "
                  f"{r['method']:7} {r['final']:>9}  {r['tokens']} tokens  {r['seconds']} s",
                  flush=True)


def by_seed(rows, task, n, method, key="final"):
    return {r["seed"]: float(r[key]) for r in rows
            if (r["task"], r["examples"], r["method"]) == (task, n, method)}


def cases(rows):
    """(task, number of examples), in the order of the file."""
    return dict.fromkeys((r["task"], r["examples"]) for r in rows)


def table(a):
    rows = read_rows(a.csv)
    print("| task | examples | seeds | " + " | ".join(TITLES.values()) +
          " | prompt tuning minus evolved | prefix minus prompt tuning | "
          "tokens: evolved, prompt, prefix |\n" + "|---" * 10 + "|")
    for task, n in cases(rows):
        scores = {m: by_seed(rows, task, n, m) for m in TITLES}
        seeds = sorted(set.intersection(*(set(s) for s in scores.values())))
        if not seeds:
            continue
        cells = [f"{statistics.fmean(scores[m][s] for s in seeds):.2f}" for m in TITLES]
        cells += [with_interval([scores[x][s] - scores[y][s] for s in seeds])
                  for x, y in (("prompt", "evolved"), ("prefix", "prompt"))]
        cost = [by_seed(rows, task, n, m, "tokens") for m in TITLES if m != "user"]
        cells.append(", ".join(f"{statistics.fmean(c[s] for s in seeds):,.0f}" for c in cost))
        print(f"| {task} | {n} | {len(seeds)} | " + " | ".join(cells) + " |")


def plot(a):
    """One panel per task: the mean final score with its interval, by number of examples."""
    rows = read_rows(a.csv)
    tasks = list(dict.fromkeys(r["task"] for r in rows))
    lines = [f"set terminal svg size {560 * len(tasks)},400 font 'sans-serif,12' background 'white'",
             f"set output '{a.figure}'", f"set multiplot layout 1,{len(tasks)}",
             "set logscale x", "set xlabel 'examples'", "set grid ytics lc rgb '#dddddd'",
             "set key outside bottom center horizontal samplen 1", "set ylabel 'ln p of the answer, per token'",
             "set xtics (10, 30, 100)", "set xrange [8:125]", "set offsets 0, 0, 0.05, 0.05"]
    for task in tasks:
        curves = []
        for k, (method, title) in enumerate(TITLES.items()):
            points = []
            for n in sorted({int(n) for t, n in cases(rows) if t == task}):
                mean, low, high = interval(list(by_seed(rows, task, str(n), method).values()))
                points.append(f"{n * 1.02 ** (k - 1.5):.2f} {mean:.4f} {low:.4f} {high:.4f}")
            lines.append(f"${task}_{method} << E\n" + "\n".join(points) + "\nE")
            style = f"lw 2 pt {(4, 6, 5, 7)[k]} lc rgb '{('#888888', '#b06000', '#0060b0', '#208020')[k]}'"
            curves.append(f"${task}_{method} with yerrorlines {style} title \"{title}\"")
        lines += [f"set title '{task}'", "plot " + ", ".join(curves), "unset ylabel"]
    call("gnuplot", stdin="\n".join(lines) + "\n")


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=["run", "table", "plot"])
    p.add_argument("--csv", default=str(HERE / "results.csv"))
    p.add_argument("--out", default="runs/examples_needed")
    p.add_argument("--figure", default=str(HERE / "figure.svg"))
    p.add_argument("--lamarck", default=str(PROGRAM))
    p.add_argument("--tasks", default="antonyms")
    p.add_argument("--examples", default="10,30,100")
    p.add_argument("--seeds", type=int, default=5, choices=range(1, 11))
    p.add_argument("--budget", type=int, default=30000)
    p.add_argument("--methods", default="evolved,prompt,prefix")
    p.add_argument("--jobs", type=int, default=2)
    a = p.parse_args()
    {"run": run, "table": table, "plot": plot}[a.what](a)


if __name__ == "__main__":
    main()
