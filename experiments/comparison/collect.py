#!/usr/bin/env python3
"""Make the tables of a comparison.

usage: collect.py RESULTS.jsonl… [--csv OUT.csv] [--runs RUNS.csv] [--markdown OUT.md]

Per experiment and method: the mean over seeds of the winner's score on the final split, and
the difference "ga minus method" with two 95 % intervals: over seeds (Student's t on the paired
differences of the seeds' means: would other seeds say the same?) and over examples (t on the
differences averaged over the seeds: would other examples?). "exact" is the share of right first
lines (where labels are scored, of right labels), in per cent. --runs writes every winner with its prompt.
"""
import argparse
import csv
import sys
from pathlib import Path

from lab import read_lines

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from measuring import interval  # noqa: E402

BASE = "ga"
ORDER = ["ga", "ga-norace", "random", "humans", "demos", "capo"]
LABELS = {"ga": "GA, racing", "ga-norace": "GA, racing off", "random": "random search",
          "humans": "best of 10 human prompts", "demos": "best of 10 sets of 3 demonstrations",
          "capo": "CAPO"}


def mean(x):
    return sum(x) / len(x)


class Cell:
    """One method on one experiment: results by seed."""

    def __init__(self, results):
        self.by_seed = {r["seed"]: r for r in results}

    def scores(self, key):
        return [mean(r[key]) for r in self.by_seed.values() if key in r]

    def differences(self, other, key):
        """Paired over the seeds that both have: means, and per example over seeds."""
        seeds = sorted(s for s in self.by_seed.keys() & other.by_seed.keys()
                       if key in self.by_seed[s] and key in other.by_seed[s])
        each = [[a - b for a, b in zip(self.by_seed[s][key], other.by_seed[s][key])]
                for s in seeds]
        return [mean(d) for d in each], [mean(column) for column in zip(*each)]


def rows(results):
    """One dict per experiment, method and measure."""
    cells = {}
    for r in results:
        cells.setdefault((r["experiment"], r["method"]), []).append(r)
    cells = {k: Cell(v) for k, v in cells.items()}
    for experiment in dict.fromkeys(r["experiment"] for r in results):
        for method in ORDER:
            for key in ("final", "exact"):
                cell = cells.get((experiment, method))
                base = cells.get((experiment, BASE))
                if not cell or not base or not cell.scores(key):
                    continue
                row = {"experiment": experiment, "method": method, "measure": key,
                       "seeds": len(cell.scores(key)), "mean": mean(cell.scores(key)),
                       "lowest": min(cell.scores(key)), "highest": max(cell.scores(key)),
                       "tokens": mean([r["tokens"] for r in cell.by_seed.values()])}
                if method != BASE:
                    over_seeds, over_examples = base.differences(cell, key)
                    row["ga_minus"], row["seeds_low"], row["seeds_high"] = interval(over_seeds)
                    _, row["examples_low"], row["examples_high"] = interval(over_examples)
                    row["ga_wins"] = sum(d > 0 for d in over_seeds)
                    row["paired"] = len(over_seeds)
                yield row


def write_csv(path, table):
    names = ["experiment", "method", "measure", "seeds", "tokens", "mean", "lowest", "highest",
             "ga_minus", "seeds_low", "seeds_high", "examples_low", "examples_high", "ga_wins",
             "paired"]
    with open(path, "w", newline="", encoding="utf-8") as f:
        out = csv.DictWriter(f, names)
        out.writeheader()
        for row in table:
            out.writerow({k: "%.5g" % v if isinstance(v, float) else v
                          for k, v in row.items() if v == v})


def write_runs(path, results):
    with open(path, "w", newline="", encoding="utf-8") as f:
        out = csv.writer(f)
        out.writerow(["experiment", "method", "seed", "tokens", "final", "exact", "prompt"])
        for r in sorted(results, key=lambda r: (r["experiment"], ORDER.index(r["method"]),
                                                r["seed"])):
            out.writerow([r["experiment"], r["method"], r["seed"], r["tokens"],
                          "%.5f" % mean(r["final"]),
                          "%.3f" % mean(r["exact"]) if "exact" in r else "", r["prompt"]])


def markdown(table):
    exact = {(r["experiment"], r["method"]): r for r in table if r["measure"] == "exact"}
    lines, last = [], None
    for r in table:
        if r["measure"] != "final":
            continue
        if r["experiment"] != last:
            last = r["experiment"]
            lines += ["", "**%s**, %d seeds" % (last, r["seeds"]), "",
                      "| method | final score | exact % | GA better by | over seeds | "
                      "over examples | seeds won |", "|---|---|---|---|---|---|---|"]
        e = exact.get((r["experiment"], r["method"]))
        cells = [LABELS[r["method"]], "%.3f" % r["mean"],
                 "%.0f" % (100 * e["mean"]) if e else ""]
        if "ga_minus" in r:
            cells += ["%+.3f" % r["ga_minus"],
                      "%+.3f to %+.3f" % (r["seeds_low"], r["seeds_high"])
                      if r["paired"] > 1 else "",
                      "%+.3f to %+.3f" % (r["examples_low"], r["examples_high"]),
                      "%d of %d" % (r["ga_wins"], r["paired"])]
        else:
            cells += [""] * 4
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines[1:]) + "\n"


def main():
    ap = argparse.ArgumentParser(usage=__doc__.replace("%", "%%"))
    ap.add_argument("results", nargs="+")
    ap.add_argument("--csv")
    ap.add_argument("--runs")
    ap.add_argument("--markdown")
    args = ap.parse_args()
    found = {(r["experiment"], r["method"], r["seed"]): r
             for path in args.results for r in read_lines(path)}
    results = list(found.values())
    table = list(rows(results))
    if args.runs:
        write_runs(args.runs, results)
    if args.csv:
        write_csv(args.csv, table)
    text = markdown(table)
    if args.markdown:
        with open(args.markdown, "w", encoding="utf-8") as f:
            f.write(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
