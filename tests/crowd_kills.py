"""A simulated crowd at a server that is killed again and again: afterwards the store holds every
rating that the server said it had, once, and nothing else. Prints one JSON object.

    crowd_kills.py --raters 200 --ratings 50000 --every 500 --speed 10 [--keep DIR]

With --keep a later call goes on where an earlier one ended, with new tasks.
"""
import argparse
import collections
import csv
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

LAMARCK = os.environ.get("LAMARCK", "build/release/lamarck")
KEY = "a-key-for-benchmarks-0123456789"
WORDS = ("harbour storm lantern window glass river forest machine garden letter mountain silver candle "
         "mirror bridge shadow clock island thunder music paper engine desert ocean").split()


def make_tasks(path, n, wanted, seed=7):
    rng = random.Random(seed)
    with open(path, "w") as f:
        for i in range(n):
            dream = rng.sample(WORDS, 3)
            outputs = [f"You drift {i}.{k}: " + " ".join(rng.choices(dream + WORDS, k=rng.randint(8, 60))) + "."
                       for k in range(2)]
            question = {"kind": "compare", "text": "Which dream would you rather be in?", "ties": True}
            f.write(json.dumps({"question": question, "context": " ".join(dream) + f" {seed}.{i}", "outputs": outputs,
                                "wanted": wanted}) + "\n")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """`lamarck rate serve`, for as long as it lives."""

    def __init__(self, run, port):
        environment = dict(os.environ, LAMARCK_API_KEY=KEY)
        self.process = subprocess.Popen([LAMARCK, "rate", "serve", run, "--port", str(port)], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            raise RuntimeError("the server does not start")

    def end(self, number):
        self.process.send_signal(number)
        _, _, used = os.wait4(self.process.pid, 0)
        self.process.returncode = 0
        self.cpu_seconds = used.ru_utime + used.ru_stime
        self.process.stdout.close()


def compare(ledger, database):
    """What the client was told against what the store holds."""
    with open(ledger, newline="") as f:
        told = list(csv.reader(f))
    db = sqlite3.connect(database)
    kept = db.execute("select g.key, a.token, t.id, g.rater, g.withdrawn from crowd_rating g"
                      " join crowd_task t on t.n = g.task join crowd_assignment a on a.n = g.assignment").fetchall()
    twice = [k for k, n in collections.Counter(r[0] for r in kept).items() if n > 1]
    pairs = db.execute("select count(*) from (select 1 from crowd_rating r join crowd_assignment a on"
                       " a.n = r.assignment where withdrawn = 0 group by r.rater, r.task, a.repeat"
                       " having count(*) > 1)").fetchone()[0]
    counters = db.execute("select (select sum(n) from crowd_rater), (select count(*) from crowd_rating)").fetchone()
    sound = db.execute("pragma integrity_check").fetchone()[0]
    by_key = {r[0]: r for r in kept}
    lost = [r for r in told if r[0] not in by_key or (r[1], r[2], int(r[3])) != by_key[r[0]][1:4]]
    more = set(by_key) - {r[0] for r in told}
    return {"acknowledged": len(told), "stored": len(kept), "lost": len(lost), "doubled": len(twice) + pairs,
            "unknown_to_client": len(more), "counters_agree": counters[0] == counters[1], "integrity": sound}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--raters", type=int, default=200)
    p.add_argument("--ratings", type=int, default=50000)
    p.add_argument("--every", type=int, default=500, help="ratings between kills; 0: none")
    p.add_argument("--speed", type=float, default=0)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--keep", help="folder of run and ledger; default: a new one, removed")
    o = p.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = o.keep or scratch
        os.makedirs(folder, exist_ok=True)
        run, ledger = os.path.join(folder, "run"), os.path.join(folder, "ledger.csv")
        tasks = os.path.join(folder, "tasks.jsonl")
        wanted = 10
        before = 0
        if os.path.exists(ledger):
            with open(ledger, "rb") as f:
                before = f.read().count(b"\n")
        make_tasks(tasks, max(40, o.ratings * 3 // (2 * wanted)), wanted, 7 + before)
        subprocess.run([LAMARCK, "rate", "import", run, tasks, "--what", "tasks"], check=True,
                       stdout=subprocess.DEVNULL)
        with sqlite3.connect(os.path.join(run, "lamarck.sqlite")) as db:
            # Whoever answers at random would soon be excluded, and the load with him.
            db.execute("update crowd_state set min_right = 0")
        open(ledger, "a").close()
        port = free_port()
        server = Server(run, port)
        crowd = subprocess.Popen(
            [LAMARCK, "rate", "simulate", "--url", server.url, "--raters", str(o.raters), "--ratings",
             str(o.ratings), "--seed", str(o.seed), "--speed", str(o.speed), "--ledger", ledger, "--json"],
            stdout=subprocess.PIPE, text=True, env=dict(os.environ, LAMARCK_API_KEY=KEY))
        kills, down, lines, at, cpu = 0, [], 0, 0, 0.0
        with open(ledger, "rb") as f:
            f.read()
            while crowd.poll() is None:
                lines += f.read().count(b"\n")
                if o.every and lines >= at + o.every and lines < o.ratings:
                    at += o.every
                    began = time.monotonic()
                    server.end(signal.SIGKILL)
                    cpu += server.cpu_seconds
                    server = Server(run, port)
                    down.append(time.monotonic() - began)
                    kills += 1
                time.sleep(0.002)
        said = crowd.stdout.read()
        server.end(signal.SIGINT)
        cpu += server.cpu_seconds
        if crowd.returncode != 0:
            print(said, file=sys.stderr)
            return 1
        report = json.loads(said)
        report.update(compare(ledger, os.path.join(run, "lamarck.sqlite")), kills=kills,
                      server_cpu_ms_per_rating=round(1e3 * cpu / max(1, o.ratings), 3), down_seconds=round(sum(down), 3))
    # What was accepted just before a kill may have its answer lost, but is then sent again: in the end
    # both sides hold the same.
    fine = (report["lost"] == 0 and report["doubled"] == 0 and report["unknown_to_client"] == 0
            and report["stored"] == report["acknowledged"] == before + o.ratings and report["counters_agree"]
            and report["integrity"] == "ok" and (not o.every or kills >= o.ratings // o.every // 2))
    report["fine"] = fine
    print(json.dumps(report))
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
