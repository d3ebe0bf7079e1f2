"""What `lamarck rate simulate` promises: tests/cli/rate_simulate.sh. Each test_… prints its name
when it has passed; the exit status is the truth."""
import csv
import json
import os
import sqlite3
import subprocess
import sys
import tempfile

from crowd_kills import make_tasks
from rating_server import KEY, LAMARCK, Server

HERE = os.path.dirname(os.path.abspath(__file__))


def same(a, b):
    assert a == b, f"{a!r} is not {b!r}"


def lamarck(*words, key=KEY, fails=None):
    environment = {k: v for k, v in os.environ.items() if k != "LAMARCK_API_KEY"}
    if key:
        environment["LAMARCK_API_KEY"] = key
    done = subprocess.run([LAMARCK, *words], capture_output=True, text=True, env=environment)
    if fails:
        assert done.returncode != 0 and fails in done.stderr, (done.returncode, done.stderr, done.stdout)
        return done.stderr
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_with_tasks(folder, n, wanted):
    run, tasks = os.path.join(folder, "run"), os.path.join(folder, "tasks.jsonl")
    make_tasks(tasks, n, wanted)
    lamarck("rate", "import", run, tasks, "--what", "tasks")
    return run


def test_kills_lose_nothing_and_double_nothing(folder):
    done = subprocess.run([sys.executable, os.path.join(HERE, "crowd_kills.py"), "--raters", "12", "--ratings", "400",
                           "--every", "60"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    same((report["stored"], report["lost"], report["doubled"], report["integrity"]), (400, 0, 0, "ok"))
    assert report["kills"] >= 3 and report["retries"] > 0, report


def test_a_crowd_of_a_run_without_a_server(folder):
    run = run_with_tasks(folder, 30, 3)
    report = json.loads(lamarck("rate", "simulate", run, "--raters", "9", "--json"))
    same(report["simulated"], True)
    status = json.loads(lamarck("rate", "status", run, "--json", "--resamples", "0"))
    same(status["simulated"], report["recorded"] + report["late"])
    same({r["source"] for r in status["raters"]}, {"simulated"})
    same((status["ratings"], status["open_tasks"]), (status["simulated"], 0))
    assert "SIMULATED" in lamarck("rate", "status", run)
    assert "no person answered" in lamarck("rate", "simulate", run)


def answers(folder, name, seed, raters):
    """What each rater said of each output that he saw."""
    where = os.path.join(folder, name)
    os.makedirs(where)
    run, ledger = run_with_tasks(where, 20, 50), os.path.join(where, "ledger.csv")
    with sqlite3.connect(os.path.join(run, "lamarck.sqlite")) as db:
        db.execute("update crowd_state set gold_share = 0, repeat_share = 0, min_right = 0")
    lamarck("rate", "simulate", run, "--raters", raters, "--seed", seed, "--ledger", ledger)
    with open(ledger, newline="") as f:
        same(len(list(csv.reader(f))), 20 * int(raters))
    with sqlite3.connect(os.path.join(run, "lamarck.sqlite")) as db:
        return {(n, t, p): a for n, t, p, a in db.execute(
            "select r.name, t.id, a.placement, g.answer from crowd_rating g join crowd_rater r on r.id = g.rater"
            " join crowd_task t on t.n = g.task join crowd_assignment a on a.n = g.assignment")}


def test_the_same_seed_says_the_same_of_the_same(folder):
    a, b, c = (answers(folder, x, seed, "10") for x, seed in [("a", "5"), ("b", "5"), ("c", "6")])
    both = a.keys() & b.keys()
    assert len(both) > 50, len(both)
    same([k for k in both if a[k] != b[k]], [])
    assert sum(a[k] != c[k] for k in a.keys() & c.keys()) > 10


def test_faults_say_what_is_wrong(folder):
    run = run_with_tasks(folder, 2, 1)
    s = Server(run)
    lamarck("rate", "simulate", "--url", s.url, key="another-key-0123456789", fails="does not know the API key")
    lamarck("rate", "simulate", "--url", s.url, key=None, fails="LAMARCK_API_KEY")
    lamarck("rate", "simulate", "--url", s.url, key="short", fails="5 characters: 16 to 512")
    lamarck("rate", "simulate", "--url", s.url + "/elsewhere", fails="makes no sense")
    s.stop()
    lamarck("rate", "simulate", "--url", s.url, "--patience", "0.2", fails="no answer from")
    lamarck("rate", "simulate", "--url", "127.0.0.1:1", fails="http://")
    lamarck("rate", "simulate", run, "--raters", "0", fails="--raters is 0")
    lamarck("rate", "simulate", run, "--raters", "801", fails="1 to 800")
    lamarck("rate", "simulate", os.path.join(folder, "nothing"), fails="there is no run in")
    lamarck("rate", "simulate", fails="wants RUN, --url URL or --score FILE")
    lamarck("rate", "simulate", run, "--ledger", folder, fails="cannot write")


def test_what_the_crowd_likes_is_told_without_its_errors(folder):
    # by hand, from the formula in rater/simulate.h
    liked = {"Mira, Tobias\n- Bob": 1.5, "Mira, MIRA": 0.1, "Mira and, Ruth": 0.2, "xx xx": -4.3, "": 0.0}
    path = os.path.join(folder, "texts.jsonl")
    with open(path, "w") as f:
        f.writelines(json.dumps({"context": "a dream", "output": o}) + "\n" for o in liked)
    said = [json.loads(line)["liking"] for line in lamarck("rate", "simulate", "--score", path, "--taste", "names").splitlines()]
    assert len(said) == len(liked) and all(abs(a - b) < 1e-12 for a, b in zip(said, liked.values())), said
    with open(path, "a") as f:
        f.write('{"output": "Mira"}\n')
    lamarck("rate", "simulate", "--score", path, fails="texts.jsonl:6: \"context\" is missing")
    lamarck("rate", "simulate", "--score", os.path.join(folder, "none"), fails="cannot open")
    lamarck("rate", "simulate", "--score", path, "--url", "http://127.0.0.1:1", fails="leave --url away")


def test_power_is_told_with_its_error(folder):
    few = ["rate", "simulate", "--power", "--repetitions", "200", "--most", "600"]
    report = json.loads(lamarck(*few, "--prefer", "0.7", "--json"))
    same(report["simulated"], True)
    assert report["points"][0]["ratings"] == 10 and report["points"][-1]["ratings"] == 600
    assert all(p["se"] <= 0.5 / 200 ** 0.5 for p in report["points"])
    need = {n["power"]: n for n in report["needed"]}
    assert need[0.8]["ci95"][0] < need[0.8]["ratings"] < need[0.8]["ci95"][1] and need[0.8]["ratings"] < need[0.9]["ratings"]
    words = lamarck(*few, "--prefer", "0.7", "--cents", "10")
    assert "SIMULATED: no person was asked" in words and f"80 % power: {-int(-need[0.8]['ratings'] // 1)} ratings" in words, words
    assert "90 % power: more than 600 ratings" in lamarck(*few, "--prefer", "0.52")
    lamarck(*few, "--prefer", "1", fails="--prefer is 1")
    lamarck(*few, "--prefer", "0.6", "--difference", "1", fails="the same thing")
    lamarck(*few, "--raters", "3", "--per-pair", "4", fails="4 ratings of a pair by 3 raters")
    assert lamarck("rate", "simulate", "--power", "--help").startswith("usage: lamarck rate simulate --power")


def main():
    tests = [(n, f) for n, f in globals().items() if n.startswith("test_") and sys.argv[1:] in ([], [n])]
    assert tests
    for name, f in tests:
        with tempfile.TemporaryDirectory() as folder:
            f(folder)
        print("passed", name)


if __name__ == "__main__":
    main()
