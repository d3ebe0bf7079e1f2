"""`lamarck rate aggregate` on answers of real people, held to krippendorff, crowd-kit, choix and
statsmodels (tests/fixtures/make_crowds.py) within 1e-3: tests/cli/crowds.sh."""
import csv
import io
import json
import os
import subprocess

LAMARCK = os.environ.get("LAMARCK", "build/release/lamarck")
DATA = "tests/data/crowds/"
NEAR = 1e-3
with open(DATA + "expected.json") as file:
    EXPECTED = json.load(file)
largest = 0


def ask(table, *options, text=None):
    """The program's answer, of a table of the folder or of `text` on standard input."""
    p = subprocess.run([LAMARCK, "rate", "aggregate", "--ratings", "-" if text else f"{DATA}{table}.csv", "--json",
                        *options], input=text, capture_output=True, text=True, timeout=120)
    assert p.returncode == 0, (table, options, p.stderr)
    return json.loads(p.stdout)


def near(what, mine, theirs):
    global largest
    assert abs(mine - theirs) <= NEAR, f"{what} is {mine}, should be {theirs}"
    largest = max(largest, abs(mine - theirs))


def near_all(what, mine, theirs):
    assert mine.keys() == theirs.keys(), (what, mine.keys() ^ theirs.keys())
    for key, x in theirs.items():
        near(f"{what} of {key}", mine[key], x)


def by(rows, name, value):
    return {row[name]: row[value] for row in rows}


def test_alpha():
    for table, levels in EXPECTED["alpha"].items():
        for level, alpha in levels.items():
            near(f"{level} alpha of {table}", ask(table, "--method", "alpha", "--level", level,
                                                  "--resamples", "0")["alpha"], alpha)


def test_dawid_skene():
    for table, theirs in EXPECTED["dawid-skene"].items():
        for options in ([], ["--smoothing", "off"], ["--smoothing", "0"]):
            mine = ask(table, "--method", "dawid-skene", *options)
            assert mine["converged"], table
            assert by(mine["items"], "item", "label") == theirs["labels"], table
            near_all(table, mine["classes"], theirs["classes"])
            for row in mine["items"]:
                near_all(row["item"], row["probabilities"], theirs["probabilities"][row["item"]])


def met(table, probabilities):
    """How many items of each class each rater has met."""
    n = {}
    with open(f"{DATA}{table}.csv", newline="") as f:
        for row in csv.DictReader(f):
            for truth, p in probabilities[row["item"]].items():
                n[row["rater"], truth] = n.get((row["rater"], truth), 0) + p
    return n


def test_dawid_skene_confusion():
    for table, theirs in EXPECTED["dawid-skene"].items():
        known = met(table, theirs["probabilities"])
        for row in ask(table, "--method", "dawid-skene")["raters"]:
            for truth, answers in theirs["confusion"][row["rater"]].items():
                for answer, x in answers.items():
                    # Of a class that he never met, rounding decides.
                    if known[row["rater"], truth] > 1e-3:
                        near(f"{row['rater']}, {truth} called {answer}", row["confusion"][truth][answer], x)


def without_ties(table):
    """The rows that somebody won."""
    with open(f"{DATA}{table}.csv", newline="") as f:
        rows = [row for row in csv.reader(f)]
    out = io.StringIO()
    csv.writer(out).writerows(row[:3] for row in rows if row[3:] != ["1"])
    return out.getvalue()


def test_bradley_terry():
    for table, theirs in EXPECTED["bradley-terry"].items():
        for kind, options in (("ml", []), ("ml", ["--prior", "off"]), ("prior", ["--prior", "0.5"])):
            if kind in theirs:
                mine = ask(table, "--method", "bradley-terry", *options, text=without_ties(table))
                near_all(table, by(mine["items"], "item", "score"), theirs[kind])


def test_scores_that_do_not_exist():
    p = subprocess.run([LAMARCK, "rate", "aggregate", "--ratings", DATA + "lizards.csv", "--method", "bradley-terry"],
                       capture_output=True, text=True, timeout=120)
    assert p.returncode == 1 and "do not exist" in p.stderr and "--prior" in p.stderr, p


def test_ties():
    for table, theirs in EXPECTED["davidson"].items():
        mine = ask(table, "--method", "bradley-terry")
        near_all(table, by(mine["items"], "item", "score"), theirs["scores"])
        near_all(f"error in {table}", by(mine["items"], "item", "se"), theirs["se"])
        near(f"nu of {table}", mine["tie"], theirs["tie"])


def test_mixed():
    for table, theirs in EXPECTED["mixed"].items():
        mine = ask(table, "--method", "mixed")
        near(f"mean of {table}", mine["mean"], theirs["mean"])
        near_all(f"variance in {table}", mine["variance"], theirs["variance"])
        near_all(f"mean in {table}", by(mine["items"], "item", "mean"), theirs["items"])
        near_all(f"bias in {table}", by(mine["raters"], "rater", "bias"), theirs["raters"])
        near(f"likelihood of {table}", mine["log_likelihood"], theirs["log_likelihood"])


for name, test in list(globals().items()):
    if name.startswith("test_"):
        largest = 0
        test()
        print(f"ok {name[5:].replace('_', ' ')} (largest difference {largest:.1g})", flush=True)
