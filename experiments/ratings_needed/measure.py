#!/usr/bin/env python3
"""How many ratings does it take? Searches for the prompt of experiments/names with the simulated
crowd, whose true preference is known, and looks at what they have found after so many ratings.

    python3 experiments/ratings_needed/measure.py run    [--csv FILE] [--out FOLDER] [--seeds N]
                                                         [--arms a,b] [--budget N] [--at N,N]
                                                         [--threads N] [--lamarck PROGRAM]
    python3 experiments/ratings_needed/measure.py table  [--csv FILE]
    python3 experiments/ratings_needed/measure.py figure [--csv FILE] [--svg FILE]

`run` appends one line per arm, seed and number of ratings to the CSV and skips what is there
already; it may be stopped and started at will, and a search that was stopped goes on. `table`
prints means and differences with bootstrap intervals over seeds, `figure` draws them (gnuplot).
Needs nothing but Python's standard library."""

import argparse
import itertools
import json
import math
import sqlite3
import statistics
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from measuring import (PROGRAM, append_row, call, finish_last, read_rows, settings,  # noqa: E402
                       shown as show)

NAMES = HERE.parent / "names" / "experiment.yaml"
# name: what people are called in the figure, and settings. Those with people spend
# --budget ratings, their finish (about 170) included; the last learns from what the crowd said in "random".
ARMS = {
    "people": ("people only", []),
    "random": ("random search, people", ["search.kind=random"]),
    "reward": ("reward model alone", []),
    "people+reward": ("people + reward model", ["fitness.surrogate=on"]),
}
REWARD_EVALUATIONS = 300  # of a search by a reward: about what 800 ratings buy
FIELDS = ["arm", "seed", "at", "ratings", "evaluations", "tokens", "candidate", "preference",
          "liking", "first_liking", "seconds", "prompt"]


def on_lines(command, objects):
    """A command that reads JSON Lines (its path stands for "@") and prints as many."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as f:
        f.writelines(json.dumps(o) + "\n" for o in objects)
        f.flush()
        printed = call(*(f.name if word == "@" else word for word in command))
    lines = [json.loads(line) for line in printed.splitlines() if line]
    assert len(lines) == len(objects), command
    return lines


# ---- Runs ----

def search(a, folder, seed, budget, sets):
    """A search that is finished, whatever was there before."""
    if not finish_last(a.lamarck, "evolve", folder):
        call(a.lamarck, "evolve", NAMES, "--out", folder, "--seed", seed,
             *settings([*sets, budget, f"engine.threads={a.threads}"]))
    return show(a.lamarck, folder)


def ask_database(folder, query):
    with sqlite3.connect(f"file:{folder}/lamarck.sqlite?mode=ro", uri=True) as db:
        return db.execute(query).fetchall()


def leaders(shown, at):
    """For each number of ratings the last complete step of the search that had spent no more:
    its leader, and what was spent by then. Before the first there is only the first prompt."""
    nothing = {"best_id": shown["seed"]["id"], "ratings": 0, "evaluations": 0, "tokens": 0}
    return {n: ([nothing] + [h for h in shown["history"] if h["ratings"] <= n])[-1] for n in at}


def search_people(a, arm, seed):
    folder = Path(a.out) / f"{arm}-{seed}"
    budget = f"budget={{ratings: {a.budget}}}"
    shown = search(a, folder, seed, budget, ARMS[arm][1])
    return folder, shown, leaders(shown, a.at)


# ---- A reward of what was said ----

def comparisons(a, folder, most):
    """The first `most` ratings of a run, those of them that count, as reward train reads them."""
    tasks = {}
    for line in call(a.lamarck, "rate", "export", folder, "--what", "tasks").splitlines():
        task = json.loads(line)
        tasks[task["task"]] = task
    rows = []
    for line in call(a.lamarck, "rate", "export", folder).splitlines()[:most]:
        rating = json.loads(line)
        task = tasks[rating["task"]]
        if not rating["counts"]:
            continue
        said = {"tie": "tie", 0: "a", 1: "b"}[rating["answer"]]
        rows.append({"context": task["context"], "a": task["outputs"][0], "b": task["outputs"][1],
                     "preferred": said, "rater": rating["rater_name"], "simulated": True})
    return rows


def learn_reward(a, source, shown, seed, n):
    """From the ratings of a random search, its finish left out."""
    in_search = shown["history"][-1]["ratings"]
    rows = comparisons(a, source, min(n, in_search))
    file, reward = Path(a.out) / f"ratings-{seed}-{n}.jsonl", Path(a.out) / f"reward-{seed}-{n}.safetensors"
    if not reward.exists():
        file.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
        made = reward.with_suffix(".part")
        call(a.lamarck, "reward", "train", "--ratings", file, "--model", "smollm2", "--out", made,
             "--seed", seed, "--threads", a.threads)
        made.rename(reward)
    return reward, min(n, in_search)


def search_reward(a, seed, n):
    source, random, _ = search_people(a, "random", seed)
    reward, ratings = learn_reward(a, source, random, seed, n)
    folder = Path(a.out) / f"reward-{seed}-{n}"
    fitness = ("fitness={kind: reward, reward: '%s', shown: 'A dream about {{input}}', "
               "max_tokens: 24}" % reward.resolve())
    shown = search(a, folder, seed, f"budget={{evaluations: {REWARD_EVALUATIONS}}}", [fitness])
    last = dict(shown["history"][-1], ratings=ratings)
    return folder, shown, {n: last}


# ---- What the crowd truly prefers ----

def fill(template, fields, values):
    for name, value in zip(fields, values):
        template = template.replace("{{%s}}" % name, value)
    return template


def outputs(a, kept, prompts, rows):
    """said[prompt][row], as the search would generate it."""
    how = kept["fitness"]
    command = [a.lamarck, "generate", "smollm2", "--rows", "@", "--json", "--max-tokens",
               str(how["max_tokens"]), "--threads", str(a.threads)]
    for stop in how["stop"]:
        command += ["--stop", stop]
    fields = kept["data"]["fields"]
    asked = [{"prompt": fill(p, fields, r["values"])} for p in prompts for r in rows]
    said = iter(on_lines(command, asked))
    return {p: [next(said)["text"].strip(" \t\n\v\f\r") for _ in rows] for p in prompts}


def likings(a, kept, said, rows):
    """How much the crowd likes each, without any rater's error."""
    contexts = [fill("A dream about {{input}}", kept["data"]["fields"], r["values"]) for r in rows]
    asked = [{"context": c, "output": o} for texts in said.values()
             for c, o in zip(contexts, texts)]
    liked = iter(on_lines([a.lamarck, "rate", "simulate", "--score", "@", "--taste", "names"], asked))
    return {p: [next(liked)["liking"] for _ in texts] for p, texts in said.items()}


def judge(a, folder, shown, found):
    """For each number of ratings: how likely an honest rater of noise 1 is to prefer the leader's
    output to the first prompt's, on the rows of the final split."""
    kept = json.loads(ask_database(folder, "SELECT experiment FROM run")[0][0])
    prompt_of = dict(ask_database(folder, "SELECT id, prompt FROM candidate"))
    rows = [kept["data"]["rows"][i] for i in kept["data"]["splits"]["final"]]
    first = prompt_of[shown["seed"]["id"]]
    prompts = dict.fromkeys([first, *(prompt_of[f["best_id"]] for f in found.values())])
    liking = likings(a, kept, outputs(a, kept, prompts, rows), rows)
    for n, f in found.items():
        prompt = prompt_of[f["best_id"]]
        chances = [1 / (1 + math.exp(y - x)) for x, y in zip(liking[prompt], liking[first])]
        yield dict(at=n, ratings=f["ratings"], evaluations=f["evaluations"], tokens=f["tokens"],
                   candidate=f["best_id"], preference=round(statistics.fmean(chances), 6),
                   liking=round(statistics.fmean(liking[prompt]), 6),
                   first_liking=round(statistics.fmean(liking[first]), 6),
                   seconds=round(shown["spent"]["seconds"], 1), prompt=json.dumps(prompt))


def run(a):
    path = Path(a.csv)
    Path(a.out).mkdir(parents=True, exist_ok=True)
    for seed, arm in itertools.product(range(1, a.seeds + 1), a.arms):
        done = {(r["arm"], r["seed"], r["at"]) for r in read_rows(path)}
        wanted = [n for n in a.at if (arm, str(seed), str(n)) not in done]
        if not wanted:
            continue
        if arm == "reward":
            jobs = (search_reward(a, seed, n) for n in wanted)
        else:
            folder, shown, found = search_people(a, arm, seed)
            jobs = [(folder, shown, {n: found[n] for n in wanted})]
        for folder, shown, found in jobs:
            for row in judge(a, folder, shown, found):
                append_row(path, FIELDS, dict(arm=arm, seed=seed, **row))


# ---- Tables ----

def bootstrap(values):
    """Mean, and the central 95 % of the means of all resamples of these few values."""
    n = len(values)
    if n < 2 or n > 6:
        return statistics.fmean(values), math.nan, math.nan
    means = sorted(statistics.fmean(x) for x in itertools.product(values, repeat=n))
    cut = int(0.025 * len(means))
    return statistics.fmean(values), means[cut], means[-1 - cut]


def by_arm(rows):
    """scores[arm][at][seed]"""
    scores = {arm: {} for arm in ARMS}
    for r in rows:
        scores[r["arm"]].setdefault(int(r["at"]), {})[r["seed"]] = float(r["preference"])
    return {arm: dict(sorted(s.items())) for arm, s in scores.items() if s}


def table(a):
    scores = by_arm(read_rows(Path(a.csv)))
    if not scores:
        return
    print("| ratings | arm | seeds | preference | minus people only |\n|---|---|---|---|---|")
    for at in sorted({n for s in scores.values() for n in s}):
        for arm, of in scores.items():
            if at not in of:
                continue
            mean, low, high = bootstrap(list(of[at].values()))
            base = scores.get("people", {}).get(at, {})
            paired = [x - base[s] for s, x in of[at].items() if s in base]
            less = ""
            if arm != "people" and paired:
                less = "%+.3f (%+.3f to %+.3f)" % bootstrap(paired)
            print(f"| {at} | {ARMS[arm][0]} | {len(of[at])} | {mean:.3f} ({low:.3f} to {high:.3f}) "
                  f"| {less} |")


# Colours that readers with any kind of colour vision can tell apart (Okabe and Ito 2008).
COLOURS = {"people": "#0072b2", "random": "#e69f00", "reward": "#d55e00", "people+reward": "#009e73"}
PLOT = """set terminal svg size 720,440 font 'sans-serif,13' background rgb 'white'
set output '{svg}'
set key outside bottom center horizontal
set xlabel 'ratings spent'
set ylabel "preference over the first prompt's outputs"
set yrange [{low}:{high}]
set xrange [0:{most}]
set grid ytics lc rgb '#dddddd'
plot 0.5 with lines lc rgb '#999999' dt 2 notitle, \\
"""


def figure(a):
    scores = by_arm(read_rows(Path(a.csv)))
    blocks, lines, ends = [], [], [0.5]
    for k, (arm, of) in enumerate(scores.items()):
        points = [(at + 8 * (k - 1.5), *bootstrap(list(s.values()))) for at, s in of.items()]
        ends += [x for p in points for x in p[1:] if not math.isnan(x)]
        blocks.append(f"$d{k} << EOD\n" + "".join("%g %g %g %g\n" % p for p in points) + "EOD\n")
        lines.append(f"$d{k} using 1:2 with lines lc rgb '{COLOURS[arm]}' lw 2 notitle, "
                     f"$d{k} using 1:2:3:4 with yerrorbars lc rgb '{COLOURS[arm]}' lw 2 pt 7 ps 0.7 "
                     f"title '{ARMS[arm][0]}'")
    most = max(n for s in scores.values() for n in s) * 1.08
    text = "".join(blocks) + PLOT.format(svg=a.svg, low=math.floor(20 * min(ends)) / 20 - 0.02,
                                         high=math.ceil(20 * max(ends)) / 20 + 0.05, most=most)
    call("gnuplot", "-", stdin=text + ", \\\n".join(lines) + "\n")


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=["run", "table", "figure"])
    p.add_argument("--csv", default=str(HERE / "results.csv"))
    p.add_argument("--svg", default=str(HERE / "figure.svg"))
    p.add_argument("--out", default="runs/ratings_needed")
    p.add_argument("--lamarck", default=str(PROGRAM))
    p.add_argument("--seeds", type=int, default=5, choices=range(1, 7))
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--arms", default=",".join(ARMS), type=lambda s: s.split(","))
    p.add_argument("--budget", type=int, default=800)
    p.add_argument("--at", default="150,300,600", type=lambda s: [int(n) for n in s.split(",")])
    a = p.parse_args()
    for arm in a.arms:
        if arm not in ARMS:
            p.error(f"--arms: there is no arm {arm}, but {', '.join(ARMS)}")
    {"run": run, "table": table, "figure": figure}[a.what](a)


if __name__ == "__main__":
    main()
