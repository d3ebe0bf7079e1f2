"""What webhooks promise, both ways: tests/cli/rate_hook.sh. Each test_… prints its name when it
has passed; the exit status is the truth."""
import hashlib
import hmac
import http.server
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

from rating_server import LAMARCK, Server

SECRET = "a-webhook-secret-0123456789"
PATH = "/hooks/a-path-that-is-a-secret"


def same(a, b):
    assert a == b, f"{a!r} is not {b!r}"


def sign(body, secret=SECRET, at=None):
    at = int(time.time() if at is None else at)
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={mac}"


class Receiver:
    """An endpoint. `plan`: what to do with request 1, 2, …: a status, "hang" or "drop"; then 200."""

    def __init__(self, plan=()):
        self.plan, self.got, self.lock, self.release = list(plan), [], threading.Lock(), threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with outer.lock:
                    outer.got.append((self.path, self.headers, body, time.time()))
                    what = outer.plan.pop(0) if outer.plan else 200
                if what == "hang":
                    outer.release.wait(30)
                if what in ("hang", "drop"):
                    self.close_connection = True
                    return
                self.send_response(what)
                if what == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a killed sender resets its connection
        self.origin = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.url = self.origin + PATH
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, n, seconds=20):
        until = time.time() + seconds
        while len(self.got) < n and time.time() < until:
            time.sleep(0.01)
        assert len(self.got) >= n, len(self.got)

    def keys(self):
        return [h["Idempotency-Key"] for _, h, _, _ in self.got]

    def close(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


def environment(secret=SECRET):
    e = {k: v for k, v in os.environ.items() if k != "LAMARCK_WEBHOOK_SECRET"}
    return dict(e, LAMARCK_WEBHOOK_SECRET=secret) if secret else e


def start(run, to, *more):
    return subprocess.Popen([LAMARCK, "rate", "hook", run, "--to", to, *more], env=environment(), text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def hook(run, to, *more, fails=None, secret=SECRET):
    done = subprocess.run([LAMARCK, "rate", "hook", run, *(["--to", to] if to else []), *more],
                          env=environment(secret), capture_output=True, text=True, timeout=60)
    assert (fails in done.stderr if fails else True) and (done.returncode != 0) == bool(fails), (done, fails)
    return done


def status(run):
    return json.loads(hook(run, None, "--status", "--json").stdout)["endpoints"]


def counts(run):
    return {k: status(run)[0][k] for k in ("waiting", "delivered", "dead", "needless")}


def rating(s, task, answer, rater="worker 1", key="k1", at=None, secret=SECRET, header=None, **more):
    body = {"type": "rating", "task": task, "rater": rater, "answer": answer, "key": key, **more}
    body = json.dumps({k: v for k, v in body.items() if v is not None}).encode()
    return post(s, body, header or sign(body, secret, at))


def post(s, body, signature, **more):
    headers = {"Content-Type": "application/json", **{k.replace("_", "-"): v for k, v in more.items()}}
    if signature:
        headers["Lamarck-Signature"] = signature
    return s.ask("POST", "/api/v1/webhook", body, headers)


# ---- Going out ----

def test_every_task_is_told_once_and_signed(s, r):
    tasks = {s.task(i) for i in range(24)} | {s.task(40, "best"), s.task(41, "scale"), s.task(42, "accept")}
    gold = s.task(50, gold=1)
    done = hook(s.run, r.url, "--once", "--answer-to", s.url + "api/v1/webhook")
    assert "28 delivered, 0 tries failed" in done.stdout, done
    same(sorted(json.loads(b)["task"] for _, _, b, _ in r.got), sorted(tasks | {gold}))
    first = set()
    for path, headers, body, _ in r.got:
        same(path, PATH)
        t, v1 = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers["Lamarck-Signature"]).groups()
        same(v1, hmac.new(SECRET.encode(), t.encode() + b"." + body, hashlib.sha256).hexdigest())
        assert abs(time.time() - int(t)) < 60
        told = json.loads(body)
        same(set(told), {"type", "key", "task", "wanted", "created", "question", "context", "outputs", "answer_to"})
        same((told["type"], told["key"]), ("task", headers["Idempotency-Key"]))
        assert told["context"].startswith("context ")
        texts = [o["text"] for o in told["outputs"]]
        same(len(texts), {"compare": 2, "best": 4}.get(told["question"]["kind"], 1))
        same(sorted(texts), [f"output {told['context'].split()[1]}.{k}" for k in range(len(texts))])
        if len(texts) == 2:
            first.add(texts[0][-1])
        assert "gold" not in body.decode()
    same(first, {"0", "1"})  # 25 random orders are hardly all alike
    same(len(set(r.keys())), 28)
    assert hook(s.run, r.url, "--once").stdout.startswith("0 delivered")
    same(len(r.got), 28)


def test_new_tasks_are_told_as_they_come_and_more_wanted_ones_again(s, r):
    p = start(s.run, r.url)
    a = s.task(1)
    r.wait(1)
    b = s.task(2)
    r.wait(2)
    s.task(1, wanted=3)
    r.wait(3)
    until = time.time() + 20
    while counts(s.run)["delivered"] < 3 and time.time() < until:
        time.sleep(0.05)
    p.send_signal(2)
    out, err = p.communicate(timeout=20)
    same((p.returncode, err), (0, ""))
    assert out.startswith("3 delivered"), out
    same([json.loads(g[2])["task"] for g in r.got], [a, b, a])
    same([json.loads(g[2])["wanted"] for g in r.got], [1, 1, 3])


def test_failures_are_tried_again_under_the_same_key(s, r):
    r.plan = [500, "drop", 302, 404, 429, 200]
    s.task()
    done = hook(s.run, r.url, "--once", "--first", "0.05", "--most", "0.4")
    same(len(r.got), 6)
    same(len(set(r.keys())), 1)
    same(len({g[2] for g in r.got}), 1)
    same(counts(s.run), {"waiting": 0, "delivered": 1, "dead": 0, "needless": 0})
    assert "it answers 500; again in" in done.stderr and "it answers 302" in done.stderr, done.stderr
    pauses = [float(x) for x in re.findall(r"again in ([0-9.]+) s", done.stderr)]
    same(len(pauses), 5)
    assert all(p <= 0.41 for p in pauses) and max(pauses[2:]) > 0.1 >= pauses[0] - 0.05, pauses
    gaps = [b[3] - a[3] for a, b in zip(r.got, r.got[1:])]
    assert gaps[0] >= 0.02 and gaps[3] >= 0.15, gaps


def test_an_endpoint_that_hangs_holds_up_nobody(s, r):
    r.plan = ["hang", "hang"]
    s.task()
    p = start(s.run, r.url, "--once", "--timeout", "1", "--first", "0.05")
    r.wait(1)
    rater, _ = s.rater("ann")
    took = []
    for i in range(20):
        began = time.time()
        same(s.api("GET", f"next?rater={rater}").status, 200)
        took.append(time.time() - began)
    assert sorted(took)[10] < 0.5, took
    same(len(r.got), 1)
    out, err = p.communicate(timeout=30)
    same(p.returncode, 0)
    assert out.startswith("1 delivered, 2 tries failed"), out
    assert PATH not in err and "imed out" in err, err
    same(len(set(r.keys())), 1)


def test_what_is_given_up_is_kept_and_can_be_revived(s, r):
    r.plan = [503] * 3
    s.task()
    hook(s.run, r.url, "--once", "--tries", "3", "--first", "0.02", fails="1 deliveries were given up")
    same(counts(s.run), {"waiting": 0, "delivered": 0, "dead": 1, "needless": 0})
    same((status(s.run)[0]["problem"], status(s.run)[0]["endpoint"]), ("it answers 503", r.origin))
    words = hook(s.run, None, "--status").stdout
    assert "1 given up" in words and "it answers 503" in words, words
    told = subprocess.run([LAMARCK, "rate", "status", s.run], capture_output=True, text=True)
    assert f"{r.origin}: 0 delivered, 0 waiting, 1 given up" in told.stdout, told
    told = subprocess.run([LAMARCK, "rate", "status", s.run, "--json"], capture_output=True, text=True)
    same(json.loads(told.stdout)["webhooks"], status(s.run))
    hook(s.run, r.url, "--once")
    same(len(r.got), 3)
    hook(s.run, r.url, "--once", "--revive")
    same(counts(s.run), {"waiting": 0, "delivered": 1, "dead": 0, "needless": 0})
    same((len(r.got), len(set(r.keys()))), (4, 1))


def test_nobody_there_is_a_failure_like_others(s, r):
    s.task()
    r.close()
    done = hook(s.run, r.url, "--once", "--tries", "2", "--first", "0.02", fails="given up")
    assert "try 2 of 2" in done.stderr and PATH not in done.stderr, done.stderr


def test_a_kill_between_sending_and_noting_sends_the_same_again(s, r):
    for i in range(3):
        s.task(i)
    r.plan = [200, "hang"]
    p = start(s.run, r.url, "--timeout", "0.5")
    r.wait(2)
    p.kill()
    p.communicate()
    r.plan = []
    same(counts(s.run), {"waiting": 2, "delivered": 1, "dead": 0, "needless": 0})
    hook(s.run, r.url, "--once", "--timeout", "0.5")
    same(counts(s.run), {"waiting": 0, "delivered": 3, "dead": 0, "needless": 0})
    same(len(r.got), 4)
    same(len(set(r.keys())), 3)
    same(r.keys().count(r.keys()[1]), 2)
    same(len({g[2] for g in r.got if g[1]["Idempotency-Key"] == r.keys()[1]}), 1)


def test_kills_all_the_time_lose_and_double_nothing(s, r):
    for i in range(60):
        s.task(i)
    for _ in range(8):
        seen = len(r.got)
        p = start(s.run, r.url, "--timeout", "0.2")
        r.wait(min(60, seen + 6))
        p.kill()
        p.communicate()
    hook(s.run, r.url, "--once", "--timeout", "0.2")
    same(counts(s.run)["delivered"], 60)
    bodies = {}
    for _, headers, body, _ in r.got:
        bodies.setdefault(headers["Idempotency-Key"], set()).add(body)
    same(len(bodies), 60)
    same({len(b) for b in bodies.values()}, {1})
    same(len({json.loads(b.copy().pop())["task"] for b in bodies.values()}), 60)


def test_two_at_once_send_each_task_once(s, r):
    for i in range(40):
        s.task(i)
    both = [start(s.run, r.url, "--once") for _ in range(2)]
    for p in both:
        _, err = p.communicate(timeout=60)
        same((p.returncode, err), (0, ""))
    same((len(r.got), len(set(r.keys()))), (40, 40))


def test_what_needs_no_answer_any_more_is_not_told(s, r):
    a, b = s.task(1), s.task(2)
    r.plan = [500, 500]
    p = start(s.run, r.url, "--first", "2", "--most", "2", "--once")
    r.wait(2)
    rater, _ = s.rater("ann")
    for _ in range(2):
        given = s.api("GET", f"next?rater={rater}").json()["assignment"]
        s.api("POST", "ratings", {"assignment": given["assignment"], "answer": 0, "seconds": 5})
    out, _ = p.communicate(timeout=20)
    assert "2 needless" in out, out
    # Both arrived, though the endpoint said that it had failed: it hears of the end.
    same([json.loads(b)["type"] for _, _, b, _ in r.got], ["task", "task", "ended", "ended"])


def answer_all(s, rater):
    while given := s.api("GET", f"next?rater={rater}").json()["assignment"]:
        s.api("POST", "ratings", {"assignment": given["assignment"], "answer": 0, "seconds": 5})


def told_of(r, task):
    return [(t["type"], t["wanted"]) for t in (json.loads(b) for _, _, b, _ in r.got) if t["task"] == task]


def test_the_end_of_a_task_is_told_once_to_who_knows_of_it(s, r):
    a, b, gold = s.task(1), s.task(2, wanted=2), s.task(3, gold=1)
    hook(s.run, r.url, "--once")
    answer_all(s, s.rater("ann")[0])
    r.plan = [503]
    hook(s.run, r.url, "--once", "--first", "0.02")
    same(told_of(r, a), [("task", 1), ("ended", 1), ("ended", 1)])
    same(len(set(r.keys())), 4)  # the second is the first again
    end = next(json.loads(body) for _, _, body, _ in r.got if b'"ended"' in body)
    same(set(end), {"type", "key", "task", "wanted", "created"})
    same((told_of(r, b), told_of(r, gold)), ([("task", 2)], [("task", 1)]))
    s.task(1, wanted=2)  # more are wanted after all
    hook(s.run, r.url, "--once")
    answer_all(s, s.rater("bob")[0])
    hook(s.run, r.url, "--once")
    same(told_of(r, a)[3:], [("task", 2), ("ended", 2)])
    same(told_of(r, b), [("task", 2), ("ended", 2)])
    s.task(4)
    other = Receiver()
    hook(s.run, other.url, "--once")  # who was told of nothing hears of no end
    same([t["type"] for t in (json.loads(b) for _, _, b, _ in other.got)], ["task", "task"])
    other.close()
    assert hook(s.run, r.url, "--once").stdout.startswith("1 delivered")
    assert hook(s.run, r.url, "--once").stdout.startswith("0 delivered")


def test_an_end_that_is_none_any_more_is_not_told(s, r):
    a = s.task(1)
    hook(s.run, r.url, "--once")
    answer_all(s, s.rater("ann")[0])
    r.plan = [500]
    p = start(s.run, r.url, "--first", "2", "--most", "2", "--once")
    r.wait(2)
    s.task(1, wanted=2)
    out, _ = p.communicate(timeout=20)
    assert "1 delivered" in out and "1 needless" in out, out
    same(told_of(r, a), [("task", 1), ("ended", 1), ("task", 2)])


def test_secrets_stay_out_of_files_and_logs(s, r):
    s.task()
    with open(os.path.join(s.run, "..", "secret"), "w") as f:
        f.write(SECRET + "\n")
    r.plan = [500]
    done = hook(s.run, r.url, "--once", "--first", "0.02", "--secret-file", f.name, secret=None)
    same(r.got[0][1]["Lamarck-Signature"], sign(r.got[0][2], at=re.search("t=(.*),", r.got[0][1]["Lamarck-Signature"])[1]))
    for name in os.listdir(s.run):
        with open(os.path.join(s.run, name), "rb") as f:
            data = f.read()
        assert SECRET.encode() not in data and PATH.encode() not in data, name
    for word in (SECRET, PATH):
        assert word not in done.stdout + done.stderr


def test_faults_of_the_command_say_what_is_wrong(s, r):
    hook(s.run, r.url, secret=None, fails="LAMARCK_WEBHOOK_SECRET")
    hook(s.run, r.url, secret="short", fails="5 characters: 16 to 512")
    hook(s.run, "ftp://example.org/", fails="http:// or https://")
    hook(s.run, "http:///path", fails="no host")
    hook(s.run, None, fails="wants --to URL")
    hook(s.run, r.url, "--tries", "0", fails="--tries is 0")
    hook(s.run, r.url, "--first", "5", "--most", "1", fails="first <= most")
    hook(s.run, r.url, "--timeout", "0", fails="--timeout is 0")
    hook(os.path.join(s.run, "nothing"), r.url, fails="there is no run in")
    same(hook(s.run, None, "--status").stdout, "no webhooks were sent from here\n")


# ---- Coming in ----

def test_a_round_trip_attaches_to_what_was_shown(s, r):
    for i in range(6):
        s.task(i)
    hook(s.run, r.url, "--once", "--answer-to", s.url + "api/v1/webhook")
    chosen = {}
    for i, (_, _, body, _) in enumerate(r.got):
        told = json.loads(body)
        pick = next(o for o in told["outputs"] if o["text"].endswith(".1"))
        chosen[told["task"]] = pick["output"]
        reply = rating(s, told["task"], pick["output"], rater=f"w{i}", key=told["key"], seconds=7.5, comment="hm")
        same((reply.status, reply.json()["result"]), (201, "recorded"))
    kept = s.export()
    same({k["task"]: k["outputs"][k["answer"]] for k in kept}, chosen)
    same({(k["source"], k["rater_source"], k["seconds"], k["comment"], k["counts"]) for k in kept},
         {("webhook", "api", 7.5, "hm", True)})
    same(s.statistics()["open_tasks"], 0)


def test_the_same_again_is_one_rating_and_another_a_conflict(s, r):
    task = s.task(0, wanted=5)
    out = sorted(json.loads(s.api("POST", "tasks", {"question": {"kind": "compare", "text": "Which is better?", "ties": True},
                 "context": "context 0", "outputs": ["output 0.0", "output 0.1"]}).text)["outputs"])
    body = json.dumps({"task": task, "rater": "w", "answer": out[0], "key": "k"}).encode()
    header = sign(body)
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(post(s, body, header).json()["result"])) for _ in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    same(sorted(replies), ["recorded"] + ["same"] * 11)
    same(rating(s, task, out[0], rater="w", key="k2").json()["result"], "same")
    same(rating(s, task, out[1], rater="w", key="k3").status, 409)
    same(rating(s, task, out[1], rater="x", key="k").status, 409)
    same(rating(s, task, "tie", rater="y", key="k4").status, 201)
    same(len(s.export()), 2)


def test_kinds_without_a_choice_take_numbers(s, r):
    scale, accept, compare = s.task(1, "scale"), s.task(2, "accept"), s.task(3)
    same(rating(s, scale, 3, key="a").status, 201)
    same(rating(s, accept, 0, key="b").status, 201)
    same(rating(s, scale, 4, rater="x", key="c").status, 400)
    same(rating(s, accept, "f" * 64, rater="x", key="d").status, 400)
    same(rating(s, compare, 0, key="e").status, 400)
    same(rating(s, compare, "f" * 64, key="f").status, 400)
    same([k["answer"] for k in s.export()], [3, 0])


def test_forged_and_replayed_ones_are_refused(s, r):
    task = s.task(0, "accept", wanted=9)
    same(rating(s, task, 1, secret="another-secret-0123456789").status, 401)
    for off in (-400, 400):
        reply = rating(s, task, 1, at=time.time() + off)
        same(reply.status, 401)
        assert "the limit is 300" in reply.json()["detail"], reply.text
    for bad in ["t=1", "v1=" + "a" * 64, "t=1,t=1,v1=" + "a" * 64, "t=x,v1=" + "a" * 64, "t=1,v1=abc", "t=1,v1=" + "g" * 64,
                "t=99999999999999,v1=" + "a" * 64, ",", "t=1" + (",v1=" + "a" * 64) * 5]:
        same(rating(s, task, 1, header=bad).status, 401)
    body = json.dumps({"task": task, "rater": "w", "answer": 1, "key": "k"}).encode()
    same(post(s, body, None).status, 401)
    same(post(s, body + b" ", sign(body)).status, 401)
    twice = f"POST /api/v1/webhook HTTP/1.1\r\nHost: {s.host}:{s.port}\r\nContent-Type: application/json\r\n" \
            f"Content-Length: {len(body)}\r\nLamarck-Signature: {sign(body)}\r\nLamarck-Signature: {sign(body)}\r\n" \
            "Connection: close\r\n\r\n"
    assert s.raw(twice.encode() + body).startswith(b"HTTP/1.1 401")
    same(s.export(), [])
    same(post(s, body, sign(body, at=time.time() - 200)).status, 201)
    time_, mac = sign(body).split(",")
    same(post(s, body, f"{time_},v0=zz,v1={'0' * 64},{mac}").status, 200)  # a secret that is being changed
    same(len(s.export()), 1)


def test_bodies_that_make_no_sense_are_refused(s, r):
    task = s.task(0, "accept", wanted=9)
    for body, want in [(b"", 400), (b"{", 400), (b"[]", 400), (b"{}", 400), (b"\xff\xfe", 400), (b'{"task": 1}', 400)]:
        same(post(s, body, sign(body)).status, want)
    for change in [{"task": None}, {"rater": None}, {"rater": ""}, {"rater": "x" * 201}, {"key": None}, {"key": "x" * 201},
                   {"answer": None}, {"answer": "yes"}, {"answer": 2}, {"answer": 1.5}, {"seconds": -1}, {"seconds": "1"},
                   {"type": "task"}, {"source": "page"}, {"more": 1}, {"comment": 5}]:
        reply = rating(s, **{"task": task, "answer": 1, **change})
        same((change, reply.status), (change, 400))
    same(rating(s, "0" * 64, 1).status, 404)
    same(rating(s, "'; DROP TABLE crowd_task; --", 1).status, 404)
    body = json.dumps({"task": task, "rater": "w", "answer": 1, "key": "k", "comment": "x" * 70000}).encode()
    same(post(s, body, sign(body)).status, 413)
    body = json.dumps({"task": task, "rater": "w", "answer": 1, "key": "k"}).encode()
    same(post(s, body, sign(body), Idempotency_Key="other").status, 400)
    same(s.ask("POST", "/api/v1/webhook", body, {"Content-Type": "text/plain", "Lamarck-Signature": sign(body)}).status, 415)
    same(s.get("/api/v1/webhook").status, 405)
    same(s.export(), [])
    nasty = "<script>alert(1)</script>'; DROP TABLE crowd_rater;--\x01"
    same(rating(s, task, 1, rater=nasty, key=nasty, comment=nasty).status, 201)
    same((s.export()[0]["rater_name"], s.export()[0]["comment"]), (nasty, nasty))


def test_late_simulated_and_unwanted_ones_are_kept_as_what_they_are(s, r):
    task = s.task(0, "accept", wanted=1)
    same(rating(s, task, 1, rater="a", key="1").json()["result"], "recorded")
    same(rating(s, task, 1, rater="b", key="2").json()["result"], "late")
    s.api("POST", "state", {"open": False})
    other = s.task(1, "accept")
    same(rating(s, other, 1, rater="a", key="3", source="simulated").json()["result"], "late")
    same([(k["late"], k["rater_source"]) for k in s.export()], [(False, "api"), (True, "api"), (True, "simulated")])
    same(s.statistics()["simulated"], 1)


def test_without_a_secret_none_come_in(s, r):
    bare = Server(s.run)
    try:
        body = json.dumps({"task": s.task(0, "accept"), "rater": "w", "answer": 1, "key": "k"}).encode()
        same(post(bare, body, sign(body)).status, 404)
    finally:
        bare.stop()


def main():
    tests = [(n, f) for n, f in globals().items() if n.startswith("test_") and sys.argv[1:] in ([], [n])]
    assert tests
    for name, f in tests:
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "webhook"), "w") as secret:
                secret.write(SECRET + "\n")
            s, r = Server(os.path.join(folder, "run"), "--webhook-secret-file", secret.name), Receiver()
            s.rules(gold_share=0, repeat_share=0, min_seconds=0)
            try:
                f(s, r)
            finally:
                r.close()
                said = s.stop()
            assert "lamarck: " not in said, said
        print("passed", name, flush=True)


if __name__ == "__main__":
    main()
