"""What the scripts that compare methods over many runs have in common: a CSV that is appended
to and read back (so that a script may be stopped and started at will), runs of the program, and
intervals over seeds. Nothing but Python's standard library."""
import csv
import json
import math
import statistics
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[1] / "build/release/lamarck"

# two-sided 95 % points of Student's t, by degrees of freedom
T95 = [math.nan, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228]


def read_rows(path):
    """The rows of a CSV as dicts of text; none if there is no such file."""
    if not Path(path).exists():
        return []
    with open(path, newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def append_row(path, fields, row):
    """One line more, under a header where the file is new."""
    new = not Path(path).exists()
    with open(path, "a", newline="", encoding="utf-8") as f:
        w = csv.DictWriter(f, fields, lineterminator="\n")
        if new:
            w.writeheader()
        w.writerow(row)


def call(*command, stdin=None):
    """What a program printed; the script ends if it fails."""
    done = subprocess.run([str(c) for c in command], input=stdin, capture_output=True,
                          text=True, encoding="utf-8")
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit status {done.returncode}\n"
                 f"{done.stderr[-2000:]}")
    return done.stdout


def shown(program, folder):
    """What `show --json` says of a run."""
    return json.loads(call(program, "show", folder, "--json"))


def settings(pairs):
    """--set for each `a.b=c`."""
    return [x for pair in pairs for x in ("--set", pair)]


def finish_last(program, command, folder):
    """A run that was stopped ends before another begins: its work is kept. Whether there was
    one in the folder that is finished now."""
    if not (Path(folder) / "lamarck.sqlite").exists():
        return False
    if shown(program, folder)["status"] != "finished":
        call(program, command, "--resume", folder)
    return True


def interval(values):
    """The mean and its 95 % t-interval; NaN where there are fewer than two."""
    n = len(values)
    mean = statistics.fmean(values)
    if n < 2:
        return mean, math.nan, math.nan
    t = T95[n - 1] if n <= len(T95) else 1.96 + 2.4 / (n - 1)
    half = t * statistics.stdev(values) / math.sqrt(n)
    return mean, mean - half, mean + half


def with_interval(values):
    """As in "+0.12 (-0.03 to +0.27)"."""
    mean, low, high = interval(values)
    return f"{mean:+.3f} ({low:+.3f} to {high:+.3f})"
