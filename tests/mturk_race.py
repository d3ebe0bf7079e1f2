#!/usr/bin/env python3
"""Two processes at one HIT: while Amazon's refusal, for lack of funds, is on its way to the first,
the second finds the HIT in the books with its fate unknown. The account is topped up, and the
refused HIT's money is promised to another one. The cap leaves room for one HIT.

  mturk_race.py LAMARCK TEST_MTURK

Prints what holds, one line each; exit status 1 when something does not."""
import os
import shutil
import subprocess
import sys
import tempfile
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mturk_server  # noqa: E402

REWARD, WANTED = 5, 2
CAP = WANTED * (REWARD + 1)


class Race(mturk_server.Turk):
    """Holds the first CreateHIT until a second one comes, or 1.5 s; the second, for the same HIT,
    until it is let go. `asked`: the token of each CreateHIT."""

    def __init__(self):
        super().__init__()
        self.asked, self.second, self.first, self.go = [], threading.Event(), threading.Event(), threading.Event()

    def call(self, method, path, headers, body):
        if headers.get("x-amz-target", "").endswith(".CreateHIT"):
            with self.lock:
                self.asked.append(mturk_server.json.loads(body)["UniqueRequestToken"])
                turn, again = len(self.asked), self.asked[-1] in self.asked[:-1]
            if turn == 1:
                self.first.set()
                self.second.wait(1.5)
            elif again:
                self.second.set()
                self.go.wait(20)
        return super().call(method, path, headers, body)


lamarck, maker = sys.argv[1:]
turk = Race()
turk.balance = 0
server = mturk_server.serve(turk)
threading.Thread(target=server.serve_forever, daemon=True).start()
folder = tempfile.mkdtemp()
run = os.path.join(folder, "run")
os.mkdir(run)
subprocess.run([maker, "make", os.path.join(run, "lamarck.sqlite"), "3", str(WANTED)], check=True)
environment = dict(os.environ, AWS_ACCESS_KEY_ID=turk.key, AWS_SECRET_ACCESS_KEY=turk.secret,
                   AWS_ENDPOINT_URL_MTURK=f"http://127.0.0.1:{server.server_address[1]}")


def start(*command):
    return subprocess.Popen([lamarck, "rate", "mturk", *command], env=environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


POST = ["post", run, "--reward", str(REWARD), "--cap", str(CAP)]
first = start(*POST)
assert turk.first.wait(20)
second = start("collect", run)
said = first.communicate(timeout=30)[1]
turk.balance = 1000000
if not turk.second.is_set():  # held back: it has looked by the time that it ends
    second.communicate(timeout=30)
third = start(*POST)
third.communicate(timeout=30)
turk.go.set()
second.communicate(timeout=30)
facts = [
    ("the first was refused", "insufficient funds" in said),
    ("the others succeeded", (second.returncode, third.returncode) == (0, 0)),
    ("a HIT with the money of the refused one was posted", len(turk.hits) >= 1),
    ("the cap was never passed", 0 < turk.peak <= CAP),
]
for fact, holds in facts:
    print("yes" if holds else "NO ", fact)
server.shutdown()
shutil.rmtree(folder)
if not all(holds for _, holds in facts):
    print(said, turk.asked, turk.peak, CAP)
    sys.exit(1)
