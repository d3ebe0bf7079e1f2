#!/usr/bin/env python3
"""Kills lamarck rate mturk at random moments, while the server misbehaves and other commands run
beside it; then lets it finish and compares books, crowd and ledger.

  mturk_kill.py LAMARCK TEST_MTURK ROUNDS SEED

Prints what holds, one line each; exit status 1 when something does not."""
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mturk_server  # noqa: E402

TASKS, WANTED, REWARD, CAP = 16, 3, 5, 180  # all would cost 288 cents

lamarck, maker, rounds, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
draw = random.Random(seed)
turk = mturk_server.Turk(seed=seed)
turk.page = 3
server = mturk_server.serve(turk)
threading.Thread(target=server.serve_forever, daemon=True).start()
folder = tempfile.mkdtemp()
run = os.path.join(folder, "run")
database = os.path.join(run, "lamarck.sqlite")
os.mkdir(run)
subprocess.run([maker, "make", database, str(TASKS), str(WANTED)], check=True)
environment = dict(os.environ, AWS_ACCESS_KEY_ID=turk.key, AWS_SECRET_ACCESS_KEY=turk.secret,
                   AWS_ENDPOINT_URL_MTURK=f"http://127.0.0.1:{server.server_address[1]}")
COMMANDS = [["post", run, "--reward", str(REWARD), "--cap", str(CAP)], ["collect", run],
            ["approve", run], ["expire", run, "--delete"]]


def start(command):
    return subprocess.Popen([lamarck, "rate", "mturk", *command], env=environment,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(command):
    """One command undisturbed; it has to succeed."""
    process = start(command)
    message = process.communicate()[1].decode()
    if process.returncode:
        print("failed:", command[0], message)
        sys.exit(1)


def wait_until_busy(running, calls):
    """Until the server has heard so many calls more, and a moment longer: machines differ too
    much in speed for a fixed time to fall into the middle of a command."""
    wanted = sum(turk.calls.values()) + calls
    while sum(turk.calls.values()) < wanted and any(p.poll() is None for p in running):
        time.sleep(0.0005)
    time.sleep(draw.uniform(0, 0.01))


killed = 0
turk.rate = 0.12
for i in range(rounds):
    chosen = draw.choices(COMMANDS, weights=[6, 5, 4, 1], k=draw.choice([1, 1, 2]))
    running = [start(c) for c in chosen]
    wait_until_busy(running, draw.randrange(5))
    with turk.lock:
        turk.work(draw.randrange(4))
    for process in running:
        killed += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
turk.rate = 0.0
for i in range(4):
    for command in COMMANDS[:3]:
        finish(command)
    with turk.lock:
        turk.work(1000)
finish(COMMANDS[1])
finish(COMMANDS[2])

ledger = turk.ledger()
books = sqlite3.connect(database)


def one(query):
    return books.execute(query).fetchone()[0]


def column(query):
    return [row[0] for row in books.execute(query)]


facts = [
    ("commands were killed in the middle", killed > rounds / 3),
    ("no HIT was made twice", ledger["twice"] == 0),
    ("no HIT is unknown to the books", sorted(turk.hits) == sorted(
        column("SELECT hit FROM mturk_hit WHERE hit <> ''"))),
    ("no HIT is of unknown fate", one(
        "SELECT count(*) FROM mturk_hit WHERE state = 'sending'") == 0),
    ("the cap was never passed", 0 < ledger["peak_cents"] <= CAP),
    ("the books' money is the server's", one(
        "SELECT sum(held_cents) FROM mturk_hit") == ledger["liability_cents"]),
    ("every assignment is in the books", sorted(turk.assignments) == sorted(
        column("SELECT id FROM mturk_assignment"))),
    ("every assignment is paid exactly once", ledger["paid_twice"] == 0 and
     sorted(turk.payments) == sorted(turk.assignments) and ledger["assignments"] > 10),
    ("every assignment is one rating", sorted(
        column("SELECT key FROM crowd_rating")) == sorted(turk.assignments)),
    ("no task was asked more often than wanted", one(
        "SELECT max(n) FROM (SELECT count(*) AS n FROM crowd_rating GROUP BY task)") <= WANTED),
]
for fact, holds in facts:
    print("yes" if holds else "NO ", fact)
books.close()
server.shutdown()
if not all(holds for _, holds in facts):
    print(seed, killed, ledger)
    sys.exit(1)
shutil.rmtree(folder)
