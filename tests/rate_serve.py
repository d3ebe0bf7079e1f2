"""What the rating page and its API promise, held against a real server: tests/cli/rate_serve.sh.
Each test_… prints its name when it has passed; the exit status is the truth."""
import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from urllib.parse import urlencode

from rating_server import KEY, LAMARCK, Reply, Server, hidden

PLAIN = {"gold_share": 0, "repeat_share": 0, "min_seconds": 0}
NASTY = "<script>alert(1)</script>\"'><img src=x onerror=y>&amp;'); DROP TABLE crowd_rating;--\x01\x7f\u202e"


def same(a, b):
    assert a == b, f"{a!r} is not {b!r}"


def shown(page):
    """The outputs of a page, in their order."""
    return re.findall(r'<section class="output[^>]*>(?:<h2[^>]*>[^<]*</h2>\n)?<div class="text" dir="auto">(.*?)</div>',
                      page, re.S)


def buttons(page):
    return re.findall(r'name="answer" value="([^"]*)"', page)


def answer(s, link, page, value, **more):
    return s.form(link + "/answer", {"assignment": hidden(page.text, "assignment"), "answer": value, **more})


def test_every_kind_of_question(s):
    _, link = s.rater("ann")
    for i, kind in enumerate(["compare", "best", "scale", "accept"]):
        s.task(i, kind, priority=9 - i, question={"instructions": "Read first."} if i == 0 else {})
    first = s.get(link)
    assert "Read first." in first.text and "Start" in first.text and not buttons(first.text)
    expected = [["0", "1", "tie"], ["0", "1", "2", "3", "tie"], ["1", "2", "3"], ["0", "1"]]
    for i, values in enumerate(expected):
        page = s.get(link + "/task")
        same(page.status, 200)
        same(buttons(page.text), values)
        assert f"Question {i + 1} of 4" in page.text and f"context {i}" in page.text
        reply = answer(s, link, page, values[-1], comment=f"said {i}")
        same((reply.status, reply.headers["Location"]), (303, "task"))
    assert "Thank you" in s.get(link + "/task").text
    same([r["answer"] for r in s.export()], ["tie", "tie", 3, 1])
    same([r["comment"] for r in s.export()], [f"said {i}" for i in range(4)])
    same({r["source"] for r in s.export()}, {"page"})


def test_what_is_chosen_is_what_was_shown(s):
    ids = s.api("POST", "tasks", {"question": {"kind": "compare", "text": "?"}, "outputs": ["good", "bad"],
                                  "wanted": 50}).json()["outputs"]
    sides = set()
    for i in range(12):
        _, link = s.rater(f"rater {i}")
        page = s.get(link + "/task")
        place = shown(page.text).index("good")
        sides.add(place)
        answer(s, link, page, str(place))
    same(sides, {0, 1})
    for r in s.export():
        same(r["outputs"][r["answer"]], ids[0])


def test_strings_of_others_stay_text(s):
    labels = [NASTY, "b" + NASTY]
    question = {"text": "?" + NASTY, "instructions": "i" + NASTY}
    s.task(0, "compare", question=question, context="c" + NASTY, outputs=["o" + NASTY, "p" + NASTY], priority=2)
    s.task(1, "scale", question={**question, "labels": labels}, outputs=["o" + NASTY], priority=1)
    rater, link = s.rater("name" + NASTY)
    pages = [s.get(link)]
    for value in ["0", "1"]:
        page = s.get(link + "/task")
        pages.append(page)
        same(answer(s, link, page, value, comment=NASTY).status, 303)
    pages.append(s.get(link + "/task?said=" + "%3Cscript%3E&assignment=%3Cscript%3E"))
    pages.append(s.get("/%3Cscript%3Ealert(1)%3C/script%3E"))
    pages.append(s.form(link + "/answer", {"assignment": NASTY, "answer": NASTY}))
    for page in pages:
        assert "<script>alert" not in page.text and "<img" not in page.text and "\x01" not in page.text, page.text
        same(len(re.findall("<script", page.text)), 1)
    assert "DROP TABLE" in pages[1].text
    same([r["comment"] for r in s.export()], [NASTY] * 2)
    csv = s.api("GET", "export?format=csv").body.decode()
    assert '"<script>alert(1)</script>""' in csv
    same(s.api("GET", "raters").json()["raters"][0]["name"], "name" + NASTY)


def test_every_response_is_locked_up(s):
    s.task()
    _, link = s.rater("ann")
    for path in ["/", link, link + "/task", "/nothing", "/page.css", "/page.js", "/openapi.json"]:
        h = s.get(path).headers
        policy = h["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'"), policy
        assert "form-action 'self';" in policy and "frame-ancestors 'none'" in policy, policy
        same(h["X-Content-Type-Options"], "nosniff")
        same(h["X-Frame-Options"], "DENY")
        same(h["Referrer-Policy"], "same-origin")
    same(s.get(link + "/task").headers["Cache-Control"], "no-store")
    page = s.get(link + "/task").text
    for attribute in ["onclick", "style=", "javascript:", "http:", "https:", "//"]:
        assert attribute not in page, attribute


def test_unknown_paths_and_methods(s):
    _, link = s.rater("ann")
    same(s.get("/nothing").status, 404)
    same(s.get("/r/" + "A" * 43).status, 404)
    same(s.get("/r/" + "A" * 200).status, 404)
    same(s.get("/r//task").status, 404)
    for path, allow in [("/", "GET, HEAD"), (link + "/answer", "POST"), ("/page.css", "GET, HEAD")]:
        for method in ["PUT", "DELETE", "OPTIONS", "PATCH"]:
            reply = s.ask(method, path)
            same((reply.status, reply.headers["Allow"]), (405, allow))
    same(s.get(link + "/answer").status, 405)
    reply = s.api("DELETE", "ratings")
    same((reply.status, reply.headers["Content-Type"]), (405, "application/problem+json"))
    reply = s.api("GET", "nothing")
    same((reply.status, reply.json()["title"]), (404, "Not Found"))
    for path in ["/page.css", "/", link + "/task"]:
        head = s.ask("HEAD", path)
        same((head.status, head.body), (200, b""))
        assert int(head.headers["Content-Length"]) > 100
    same(s.get("/mturk?task=" + "0" * 64).status, 404)


def test_forged_forms(s):
    s.task(0)
    s.task(1)
    _, ann = s.rater("ann")
    _, bob = s.rater("bob")
    page = s.get(ann + "/task")
    form = {"assignment": hidden(page.text, "assignment"), "answer": "0"}
    same(s.form(bob + "/answer", form).status, 403)
    same(s.get(bob + "/task?assignment=" + form["assignment"]).status, 404)
    for headers in [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"},
                    {"Sec_Fetch_Site": "same-site"}, {"Origin": s.url.rstrip("/") + ".evil.example"}]:
        for path in ["/answer", "/undo", "/leave"]:
            same(s.form(ann + path, form, **headers).status, 403)
    same(s.form(ann + "/answer", {"assignment": "A" * 43, "answer": "0"}).status, 403)
    same(s.get("/", Host="evil.example").status, 421)
    same(s.form(ann + "/answer", form, Host="evil.example:80").status, 421)
    same(s.statistics()["ratings"], 0)
    same(s.form(ann + "/answer", form, Origin=s.url.rstrip("/"), Sec_Fetch_Site="same-origin").status, 303)
    same(s.statistics()["ratings"], 1)


def test_replayed_forms(s):
    s.task()
    _, link = s.rater("ann")
    page = s.get(link + "/task")
    same(answer(s, link, page, "0").status, 303)
    same(answer(s, link, page, "0").status, 303)
    conflict = answer(s, link, page, "1")
    same(conflict.status, 409)
    assert "answered this one already" in conflict.text and "the first" in conflict.text
    same(s.statistics()["ratings"], 1)


def test_malformed_forms(s):
    s.task()
    _, link = s.rater("ann")
    token = hidden(s.get(link + "/task").text, "assignment")
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in ["", "answer=0", "assignment=%", "assignment=%zz", "assignment=%00", "assignment=a&assignment=b",
                 f"assignment={token}&answer=0&x=%ff%fe", "&".join(f"a{i}=1" for i in range(99)),
                 f"assignment={token}&answer=2", f"assignment={token}&answer=-1", f"assignment={token}&answer=",
                 f"assignment={token}&answer=0x0", f"assignment={token}&answer=00000000000000000001"]:
        reply = s.ask("POST", link + "/answer", body, kind)
        assert reply.status in (400, 413), (body[:60], reply.status)
    same(s.ask("POST", link + "/answer", "answer=0", {"Content-Type": "text/plain"}).status, 415)
    same(s.ask("POST", link + "/answer", f"assignment={token}", kind).headers["Location"], "task?said=choose")
    for target in ["/%", "/%00", "/?a=%ff", "/?a=1&a=2"]:
        same(s.get(target).status, 400)
    for data in [b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET nothing HTTP/1.1\r\nHost: x\r\n\r\n",
                 b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
                 b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999999999999999\r\n\r\n"]:
        got = s.raw(data + b"\r\n", 3)
        assert got == b"" or re.match(rb"HTTP/1\.1 (4\d\d|505) ", got), (data, got[:80])
    second = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    got = s.raw(f"POST {link}/undo HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n".encode() +
                b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + second, 3)
    assert got.startswith(b"HTTP/1.1 400 ") and got.count(b"HTTP/1.1 ") == 1, got[:200]
    same(s.statistics()["ratings"], 0)


def test_bodies_that_are_too_large(s):
    s.task()
    _, link = s.rater("ann")
    form = {"assignment": hidden(s.get(link + "/task").text, "assignment"), "answer": "0", "comment": "x" * 20000}
    same(s.form(link + "/answer", form).status, 413)
    same(s.api("POST", "ratings", '{"assignment": "' + "x" * 70000 + '"}').status, 413)
    same(s.api("POST", "tasks", {"question": {}, "outputs": ["x" * 1100000]}).status, 413)
    chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
    head = (f"POST {link}/answer HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n").encode()
    assert s.raw(head + chunk * 10 + b"0\r\n\r\n").startswith(b"HTTP/1.1 413 ")
    same(s.get("/?" + "x" * 3000).status, 414)
    got = s.raw(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X-Long: " + b"x" * 100000 + b"\r\n\r\n", 5)
    assert got == b"" or re.match(rb"HTTP/1\.1 4\d\d ", got), got[:80]
    same(s.statistics()["ratings"], 0)
    form["comment"] = "\u20ac" * 1500
    same(s.form(link + "/answer", form).status, 303)
    same(s.export()[0]["comment"], "\u20ac" * 666)


def test_malformed_json(s):
    task = {"question": {"kind": "compare", "text": "?"}, "outputs": ["a", "b"]}
    same(s.api("POST", "tasks", task).status, 201)
    wrong = [("tasks", b) for b in ["", "{", "[]", "null", "\xff", '{"question": 1, "outputs": []}', "[" * 5000,
                                    {**task, "outputs": ["a"]}, {**task, "outputs": ["a", "b", "c", "d"]},
                                    {**task, "outputs": ["a", 1]}, {**task, "outputs": ["a", "a"]},
                                    {**task, "wanted": 0}, {**task, "wanted": 1.5}, {**task, "wantd": 1},
                                    {**task, "gold": 2}, {**task, "gold": "tie"}, {**task, "priority": "high"},
                                    {**task, "question": {"kind": "compar", "text": "?"}},
                                    {**task, "question": {"kind": "compare"}},
                                    {**task, "question": {"kind": "scale", "text": "?", "labels": ["a"]}},
                                    '{"question": {}, "question": {}}', '{"outputs": "\\u0000"}']]
    wrong += [("raters", b) for b in [{}, {"name": ""}, {"name": "x" * 201}, {"name": 1}, {"name": "a", "source": "mturk"}]]
    wrong += [("ratings", b) for b in [{}, {"assignment": "x"}, {"assignment": "x", "answer": 12},
                                       {"assignment": "x", "answer": "first"}, {"assignment": "x", "answer": 0.5},
                                       {"assignment": "x", "answer": 0, "seconds": -1},
                                       {"assignment": "x", "answer": 0, "source": "page"}]]
    wrong += [("undo", b) for b in [{}, {"rater": "1"}, {"rater": -1}]] + [("state", {"open": 1})]
    for path, body in wrong:
        reply = s.api("POST", path, body)
        assert reply.status == 400 and reply.json()["status"] == 400 and reply.json()["detail"], (path, body, reply.text)
    same(s.api("POST", "ratings", {"assignment": "x", "answer": 0}).status, 404)
    for path in ["next", "next?rater=x", "next?rater=-1", "next?rater=99", "export?format=xml", "export?after=x"]:
        same(s.api("GET", path).status, 400)
    same(s.ask("POST", "/api/v1/raters", "{}", {"Authorization": "Bearer " + KEY}).status, 415)
    same(s.statistics()["tasks"], 1)


def test_api_wants_its_key(s):
    for headers in [{}, {"Authorization": "Bearer wrong"}, {"Authorization": KEY}, {"Authorization": "Bearer " + KEY + "x"}]:
        reply = s.ask("GET", "/api/v1/statistics", None, headers)
        same((reply.status, reply.headers["WWW-Authenticate"]), (401, "Bearer"))
    same(s.ask("GET", "/api/v1/statistics", None, {"Authorization": "Bearer " + KEY}).status, 200)


def test_api_asks_and_takes(s):
    s.task(0, "best", priority=2, question={"text": "Best?"})
    s.task(1, "scale", wanted=2, gold=3)
    rater, _ = s.rater("program", source="simulated")
    same(s.rater("program", source="simulated")[0], rater)
    given = s.api("GET", f"next?rater={rater}").json()
    same(given["result"], "given")
    a = given["assignment"]
    same((a["question"]["text"], len(a["outputs"]), a["done"], a["answered"]), ("Best?", 4, 0, False))
    same(s.api("GET", f"next?rater={rater}").json()["assignment"]["assignment"], a["assignment"])
    body = {"assignment": a["assignment"], "answer": 2, "seconds": 3.25, "comment": "fine", "source": "simulated"}
    first = s.api("POST", "ratings", body, Idempotency_Key="one")
    same((first.status, first.json()["result"]), (201, "recorded"))
    again = s.api("POST", "ratings", body, Idempotency_Key="one")
    same((again.status, again.json()["result"]), (200, "same"))
    same(s.api("POST", "ratings", {**body, "answer": 1}, Idempotency_Key="two").status, 409)
    same(s.api("POST", "ratings", {**body, "answer": 1}, Idempotency_Key="x" * 300).status, 400)
    row = s.export()[0]
    same((row["seconds"], row["comment"], row["source"], row["rater_source"]), (3.25, "fine", "simulated", "simulated"))
    undone = s.api("POST", "undo", {"rater": rater}).json()
    same((undone["undone"], undone["assignment"]["assignment"]), (True, a["assignment"]))
    same(s.api("POST", "ratings", {**body, "answer": 1}, Idempotency_Key="three").status, 201)
    same([r["withdrawn"] for r in s.export()], [True, False])
    same(s.api("POST", "undo", {"rater": 12345}).json()["undone"], False)
    csv = s.api("GET", "export?format=csv&after=1").text.splitlines()
    same(len(csv), 2)
    same(dict(zip(csv[0].split(","), csv[1].split(",")))["kind"], "best")
    n = s.statistics()
    same((n["tasks"], n["ratings"], n["withdrawn"], n["simulated"], n["raters"], n["open"]), (2, 1, 1, 1, 1, True))


TYPES = {"string": str, "integer": int, "boolean": bool, "number": (int, float), "array": list, "object": dict,
         "null": type(None)}


def fits(doc, schema, value, at):
    """Whether a value has the described type, and an object exactly the described members."""
    while "$ref" in schema:
        schema = doc["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return any(fits(doc, s, value, at) for s in schema[choice])
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(isinstance(value, TYPES[t]) and (t == "boolean") == isinstance(value, bool) for t in types):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, list):
        return all(fits(doc, schema["items"], v, at) for v in value)
    if isinstance(value, dict):
        same((at, sorted(value)), (at, sorted(schema["properties"])))
        return all(fits(doc, schema["properties"][k], v, f"{at}.{k}") for k, v in value.items())
    return True


def test_replies_are_as_openapi_tells(s):
    doc = s.get("/openapi.json").json()

    def ask(method, path, body=None):
        reply = s.api(method, path, body)
        told = doc["paths"]["/api/v1/" + path.split("?")[0]][method.lower()]["responses"][str(reply.status)]
        if "$ref" in told:
            told = doc["components"]["responses"][told["$ref"].rsplit("/", 1)[1]]
        content = told["content"][reply.headers["Content-Type"]]
        lines = reply.text.splitlines() if path.startswith("export") else [reply.text]
        for line in lines:
            assert fits(doc, content["schema"], json.loads(line), path), (path, line)
        return json.loads(lines[0])

    ask("POST", "tasks", {"question": {"kind": "scale", "text": "?", "labels": ["a", "b"]}, "outputs": ["x"]})
    ask("POST", "tasks", {"question": {"kind": "compare", "text": "?", "ties": True}, "outputs": ["x", "y"]})
    rater = ask("POST", "raters", {"name": "ann"})["rater"]
    for _ in range(2):
        given = ask("GET", f"next?rater={rater}")["assignment"]
        kind = given["question"]["kind"]
        for answer_ in (1, 1, 2 if kind == "scale" else "tie"):
            ask("POST", "ratings", {"assignment": given["assignment"], "answer": answer_, "comment": "c"})
    ask("GET", f"next?rater={rater}")
    ask("GET", "export")
    ask("GET", "raters")
    ask("GET", "statistics")
    for number in (rater, 99):
        ask("POST", "undo", {"rater": number})
    ask("POST", "state", {"open": False})
    ask("POST", "state", {})


def test_concurrent_answers(s):
    """Twenty tabs answer one assignment at once, half of them otherwise: one answer stands."""
    s.task()
    _, link = s.rater("ann")
    page = s.get(link + "/task")
    replies = []
    threads = [threading.Thread(target=lambda v=v: replies.append((v, answer(s, link, page, v).status)))
               for v in ["0", "1"] * 10]
    [t.start() for t in threads]
    [t.join() for t in threads]
    taken = {v for v, status in replies if status == 303}
    same(len(taken), 1)
    same(sorted(status for _, status in replies), [303] * 10 + [409] * 10)
    same(s.statistics()["ratings"], 1)


def work(s, name, n, failures):
    """One rater, over one connection, until n answers are given."""
    try:
        rater, _ = s.rater(name)
        c = s.connect()
        for i in range(n):
            a = s.api("GET", f"next?rater={rater}", None, c).json()["assignment"]
            r = s.api("POST", "ratings", {"assignment": a["assignment"], "answer": i % 2, "seconds": 2}, c,
                      Idempotency_Key=f"{name}-{i}")
            same(r.status, 201)
        c.close()
    except Exception as e:  # a thread's failure is the test's
        failures.append(repr(e))


def test_many_raters_at_once(s):
    for i in range(10):
        s.task(i, wanted=24)
    failures = []
    threads = [threading.Thread(target=work, args=(s, f"rater {k}", 10, failures)) for k in range(24)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    same(failures, [])
    n = s.statistics()
    same((n["ratings"], n["counted"], n["wanted"], n["open_tasks"]), (240, 240, 0, 0))
    rows = s.export()
    same(len({(r["task"], r["rater"]) for r in rows}), 240)


def test_undo_leave_and_come_back(s):
    s.task(0, priority=2)
    s.task(1, priority=1)
    _, link = s.rater("ann")
    same(s.form(link + "/undo").headers["Location"], "task?said=nothing")
    page = s.get(link + "/task")
    answer(s, link, page, "0")
    second = s.get(link + "/task")
    assert "Take back my last answer" in second.text and "context 1" in second.text
    back = s.form(link + "/undo")
    same(back.status, 303)
    again = s.get(link + "/" + back.headers["Location"])
    assert "was taken back" in again.text
    same(hidden(again.text, "assignment"), hidden(page.text, "assignment"))
    same(shown(again.text), shown(page.text))
    same(answer(s, link, again, "1").status, 303)
    same([r["withdrawn"] for r in s.export()], [True, False])
    same(s.form(link + "/leave").headers["Location"], "bye")
    assert "All your answers are kept" in s.get(link + "/bye").text
    _, other = s.rater("bob")
    same(hidden(s.get(other + "/task").text, "assignment") != "", True)
    answered = s.get(link + "/task?assignment=" + hidden(page.text, "assignment"))
    assert "You answered" in answered.text and " disabled" in answered.text


def test_closed_run(s):
    s.task(0)
    s.task(1)
    rater, link = s.rater("ann")
    page = s.get(link + "/task")
    s.api("POST", "state", {"open": False})
    assert "closed" in s.get(link + "/task").text
    same(s.api("GET", f"next?rater={rater}").json(), {"result": "closed", "assignment": None})
    late = answer(s, link, page, "0")
    same(late.headers["Location"], "task?said=late")
    assert "It is kept all the same" in s.get(link + "/task?said=late").text
    same([r["late"] for r in s.export()], [True])
    s.api("POST", "state", {"open": True})
    assert buttons(s.get(link + "/task").text)


def test_limit_and_exclusion(s):
    for i in range(5):
        s.task(i)
    rater, link = s.rater("ann")
    s.rules(max_ratings=1)
    answer(s, link, s.get(link + "/task"), "0")
    assert "as many questions as one person may" in s.get(link + "/task").text
    s.rules(max_ratings=0, gold_share=1, min_checks=1, min_right=1)
    s.task(9, gold=0)
    page = s.get(link + "/task")
    answer(s, link, page, str(1 - shown(page.text).index("output 9.0")))
    assert "no further questions for you" in s.get(link + "/task").text
    same(s.api("GET", f"next?rater={rater}").json()["result"], "excluded")
    assert "gold" in s.api("GET", "raters").json()["raters"][0]["reason"]


# ---- Servers of their own ----

def test_open_page(new):
    s = new("--open")
    s.task(wanted=5)
    same(s.get("/").text.count("Begin"), 1)
    same(s.form("/begin", {}, Origin="https://evil.example").status, 403)
    begun = s.form("/begin")
    cookie = begun.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Secure" not in cookie, cookie
    link = "/" + begun.headers["Location"]
    assert buttons(s.get(link).text)
    same(s.get("/", Cookie=cookie.split(";")[0]).headers["Location"], link[1:])
    same(s.get("/", Cookie="lamarck_rater=" + "A" * 43).status, 200)
    assert s.form("/begin").headers["Location"] != link[1:]
    same(s.statistics()["raters"], 2)
    closed = new()
    assert "You need an invitation" in closed.get("/").text
    same(closed.form("/begin").status, 404)


def test_rates_are_limited(new):
    s = new("--rater-rate", "60", "--address-rate", "240", "--invite", "ann", "--invite", "bob", "--open")
    s.task(wanted=9)
    ann, bob = s.invited["ann"], s.invited["bob"]
    replies = [s.get(ann + "/task") for _ in range(30)]
    same([r.status for r in replies[:20]], [200] * 20)
    last = replies[-1]
    assert last.status == 429 and 1 <= int(last.headers["Retry-After"]) <= 60 and "too fast" in last.text
    same(s.get(bob + "/task").status, 200)
    statuses = [s.form("/begin").status for _ in range(30)]
    same((statuses[0], statuses[-1]), (303, 429))
    statuses = [s.get("/nothing").status for _ in range(70)]
    same((statuses[0], statuses[-1]), (404, 429))
    same(s.api("GET", "statistics").status, 200)
    same(s.ask("GET", "/api/v1/statistics").status, 429)


def test_slow_clients_are_dropped(new):
    s = new("--patience", "1", "--invite", "ann")
    link = s.invited["ann"]
    begins = [b"", b"GET / HTTP/1.1\r\nHost: 127", f"POST {link}/answer HTTP/1.1\r\nHost: 127.0.0.1\r\n"
              "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nassignment".encode()]
    held = [socket.create_connection((s.host, s.port), timeout=0.2) for _ in begins]
    for c, begin in zip(held, begins):
        c.sendall(begin)
    until, dropped = time.monotonic() + 8, set()
    while len(dropped) < len(held) and time.monotonic() < until:
        for i, c in enumerate(held):
            if i in dropped:
                continue
            try:
                if begins[i]:
                    c.sendall(b"x")  # drop by drop
                if c.recv(4096) == b"":
                    dropped.add(i)
            except TimeoutError:
                pass
            except OSError:
                dropped.add(i)
        same(s.get("/").status, 200)
    same(dropped, {0, 1, 2})


def test_crowds_that_come_at_once(new):
    """So many requests in one moment are a round number for the poll of some libraries, which then waits for more."""
    s = new()
    for n in (64, 128, 256):
        crowd = [s.connect(timeout=10) for _ in range(n)]
        for c in crowd:
            same(s.ask("GET", "/", connection=c).status, 200)
        s.process.send_signal(signal.SIGSTOP)
        for c in crowd:
            c.request("GET", "/")
        s.process.send_signal(signal.SIGCONT)
        for c in crowd:
            same(Reply(c.getresponse()).status, 200)
            c.close()


def test_kill_loses_nothing(new):
    """Killed again and again between answers: what was accepted is there, once."""
    s = new()
    s.rules(**PLAIN)
    for i in range(60):
        s.task(i, wanted=4)
    raters = [s.rater(f"rater {k}")[0] for k in range(4)]
    accepted, lock, sent = {}, threading.Lock(), [0]

    def rate(rater, server):
        try:
            while True:
                a = server.api("GET", f"next?rater={rater}").json()["assignment"]
                if not a:
                    return
                with lock:
                    sent[0] += 1
                r = server.api("POST", "ratings", {"assignment": a["assignment"], "answer": 1, "seconds": 2},
                               Idempotency_Key=a["assignment"])
                assert r.status in (200, 201), r.text
                with lock:
                    accepted[a["assignment"]] = accepted.get(a["assignment"], 0) + (r.status == 201)
        except (OSError, http.client.HTTPException):
            return

    for round_ in range(4):
        goal = sent[0] + 25
        threads = [threading.Thread(target=rate, args=(r, s)) for r in raters]
        [t.start() for t in threads]
        while sent[0] < goal and any(t.is_alive() for t in threads):
            time.sleep(0.001)
        s.kill()
        [t.join() for t in threads]
        s = new(run=s.run)
    same([rate(r, s) for r in raters], [None] * 4)
    same(len(s.export()), 240)
    same({n for n in accepted.values() if n > 1}, set())
    same(s.statistics()["counted"], 240)


def test_ends_when_asked(new):
    for number in (signal.SIGINT, signal.SIGTERM):
        s = new("--invite", "ann")
        link = s.invited["ann"]
        idle = socket.create_connection((s.host, s.port))
        same(s.get(link).status, 200)
        begin = time.monotonic()
        same(s.stop(number), "")
        assert time.monotonic() - begin < 3
        idle.close()
        try:
            s.get("/")
            raise AssertionError("it still listens")
        except ConnectionRefusedError:
            pass
        again = new(run=s.run)
        same(again.get(link).status, 200)


def test_mechanical_turk(new):
    s = new("--mturk")
    s.rules(**PLAIN)
    task = s.task(0)
    site = "https://workersandbox.mturk.com"
    preview = s.get(f"/mturk?task={task}&assignmentId=ASSIGNMENT_ID_NOT_AVAILABLE&hitId=H")
    assert "This is a preview" in preview.text and "name=\"comment\"" not in preview.text
    same(preview.text.count(" disabled"), 3)
    same((s.statistics()["raters"], s.statistics()["tasks"]), (0, 1))
    assert "frame-ancestors https://worker.mturk.com" in preview.headers["Content-Security-Policy"]
    same(preview.headers["X-Frame-Options"], None)
    there = {"task": task, "assignmentId": "A1", "hitId": "H", "workerId": "W1", "turkSubmitTo": site}
    for wrong in [{"turkSubmitTo": "https://evil.example"}, {"turkSubmitTo": site + ".evil.example"},
                  {"turkSubmitTo": site + "@evil.example"}, {"turkSubmitTo": "javascript:alert(1)"},
                  {"turkSubmitTo": "http://127.0.0.1:80@evil.example"}, {"turkSubmitTo": ""},
                  {"task": "0" * 64}, {"task": "x"}, {"task": "'" * 64}, {"workerId": ""}, {"workerId": NASTY},
                  {"assignmentId": "<"}]:
        same(s.get("/mturk?" + urlencode({**there, **wrong})).status, 400)
    same(s.get("/mturk").status, 400)
    page = s.get("/mturk?" + urlencode(there))
    same(page.status, 200)
    form = {n: hidden(page.text, n) for n in ["assignment", "assignmentId", "turkSubmitTo"]}
    same(s.form("/mturk/answer", {**form, "answer": "0", "turkSubmitTo": "https://evil.example"}).status, 400)
    same(s.form("/mturk/answer", {**form, "answer": "0", "assignment": "x"}).status, 400)
    same(s.form("/mturk/answer", {**form}).status, 400)
    same(s.form("/mturk/answer", {**form, "answer": "0"}, Sec_Fetch_Site="cross-site").status, 403)
    same(s.form("/mturk/answer", {**form, "answer": "9"}).status, 400)
    for value in ["0", "1"]:  # as often as he likes: what he hands in is what counts
        done = s.form("/mturk/answer", {**form, "answer": value, "comment": NASTY})
        same(done.status, 200)
        assert f'action="{site}/mturk/externalSubmit"' in done.text and "<img" not in done.text
        same([hidden(done.text, n) for n in ["assignmentId", "token", "answer"]], ["A1", form["assignment"], value])
        assert f"form-action 'self' {site};" in done.headers["Content-Security-Policy"]
    # Anybody can write such an address, with any worker in it: nothing counts before Amazon lists it.
    same((s.statistics()["ratings"], s.export()), (0, []))
    s.api("POST", "state", {"open": False})
    assert "return the HIT" in s.get("/mturk?" + urlencode({**there, "workerId": "W2"})).text


def test_tls(new):
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "serve")
    certificate, secret = os.path.join(folder, "certificate.pem"), os.path.join(folder, "key.pem")
    s = new("--open", "--tls-cert", certificate, "--tls-key", secret)
    assert s.url.startswith("https://127.0.0.1:")
    same(s.get("/").status, 200)
    assert "; Secure" in s.form("/begin").headers["Set-Cookie"]
    same(s.raw(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 3)[:4] == b"HTTP", False)
    refuse(s.run, "--tls-cert", certificate, says="belong together", status=2)
    refuse(s.run, "--tls-cert", secret, "--tls-key", certificate, says="cannot be read")
    refuse(s.run, "--tls-cert", certificate, "--tls-key", "/nothing", says="/nothing")


def test_behind_a_proxy(new):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    s = new("--public-url", "https://rate.example.org/study/", "--open", "--address-rate", "60", "--invite", "ann",
            "--port", str(port))
    same(s.url, "https://rate.example.org/study/")
    assert s.invited["ann"].startswith("/study/r/")
    s.host, s.port, s.tls = "127.0.0.1", port, False
    link = s.invited["ann"][len("/study"):]
    s.task(wanted=2)
    page = s.get(link + "/task", Host="rate.example.org")
    form = {"assignment": hidden(page.text, "assignment"), "answer": "0"}
    same(s.form(link + "/answer", form, Host="rate.example.org", Origin="https://evil.example").status, 403)
    same(s.form(link + "/answer", form, Host="rate.example.org", Origin="https://rate.example.org").status, 303)
    assert "; Secure" in s.form("/begin", Host="rate.example.org").headers["Set-Cookie"]
    statuses = [s.get("/page.css", X_Forwarded_For=f"10.0.0.1, 192.0.2.{i}").status for i in range(40)]
    same(set(statuses), {200})
    statuses = [s.get("/page.css", X_Forwarded_For=f"192.0.2.{i}, 10.0.0.1").status for i in range(40)]
    same((statuses[0], statuses[-1]), (200, 429))


def refuse(run, *options, says, status=1, key=None):
    environment = {**os.environ, "LAMARCK_API_KEY": key or ""}
    p = subprocess.run([LAMARCK, "rate", "serve", run, "--port", "0", *options], capture_output=True, text=True,
                       timeout=20, env=environment)
    assert p.returncode == status and says in p.stderr and p.stdout == "", (options, p)


def test_refuses_to_start(new):
    s = new()
    with tempfile.TemporaryDirectory() as d:
        refuse(d, says="no run in")
        refuse(d + "/none", says="no run in")
        with open(d + "/lamarck.sqlite", "w") as f:
            f.write("this is no database, however long one makes it" * 50)
        refuse(d, says="not a database")
        with open(d + "/key", "w") as f:
            f.write("short\n")
        refuse(s.run, "--api-key-file", d + "/key", says="has 5 characters")
        refuse(s.run, "--api-key-file", d + "/none", says="/none")
    refuse(s.run, says="a header cannot carry", key="with a space 0123456789")
    refuse(s.run, "--port", str(s.port), says="Address already in use")
    refuse(s.run, "--port", "65536", says="the limit is 65535")
    refuse(s.run, "--host", "localhost", says="not a numeric address")
    refuse(s.run, "--host", "0.0.0.0", says="needs --public")
    refuse(s.run, "--public-url", "rate.example.org", says="not an address like")
    refuse(s.run, "--patience", "0", says="1 to 3600", status=2)
    refuse(s.run, "--invite", "a\tb", says="on one line", status=2)


def test_warns_of_the_open(new):
    s = new("--host", "0.0.0.0", "--public", "--open")
    s.host = "127.0.0.1"
    same(s.ask("GET", "/", None, {"Host": "rate.example.org"}).status, 200)
    said = s.stop()
    assert "without TLS" in said and "anybody can rate" in said, said
    quiet = new(key=None)
    assert "nobody new can come in" in quiet.stop()


def test_another_loopback_address(new):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        print("SKIP the page on ::1: there is no IPv6 here")
        return
    s = new("--host", "::1", "--invite", "ann")
    assert s.url.startswith("http://[::1]:"), s.url
    same(s.get(s.invited["ann"]).status, 200)
    same(s.form(s.invited["ann"] + "/leave", Origin=s.url.rstrip("/")).status, 303)
    same(s.get("/", Host="evil.example").status, 421)


def test_a_failure_inside(new):
    """A broken store is told to the log, not to the rater; when it is mended, he goes on."""
    s = new("--invite", "ann")
    link = s.invited["ann"]
    s.task()
    page = s.get(link + "/task")
    with sqlite3.connect(s.database) as db:
        db.execute("alter table crowd_rating rename to elsewhere")
    reply = answer(s, link, page, "0")
    with sqlite3.connect(s.database) as db:
        db.execute("alter table elsewhere rename to crowd_rating")
    same((reply.status, s.get(link + "/task").status), (500, 200))
    assert "Nothing of your answers is lost" in reply.text and "crowd_" not in reply.text and s.run not in reply.text
    same(answer(s, link, page, "0").status, 303)
    same(s.statistics()["ratings"], 1)
    assert "crowd_rating" in s.stop()


def test_help(new):
    said = subprocess.run([LAMARCK, "rate", "serve", "--help"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("usage: lamarck rate serve RUN"), said


def test_no_api_without_a_key(new):
    s = new(key=None)
    reply = s.api("GET", "statistics")
    same((reply.status, "started without a key" in reply.text), (404, True))


def main():
    tests = [(n, f) for n, f in globals().items() if n.startswith("test_") and (len(sys.argv) < 2 or n in sys.argv[1:])]
    with tempfile.TemporaryDirectory() as scratch:
        for name, test in tests:
            servers = []

            def new(*options, run=None, **more):
                servers.append(Server(run or os.path.join(scratch, f"{name}-{len(servers)}"), *options, **more))
                return servers[-1]

            try:
                if test.__code__.co_varnames[0] == "new":
                    test(new)
                else:
                    s = new()
                    s.rules(**PLAIN)
                    test(s)
                for s in servers:  # each ends well, whatever was done to it
                    if s.process.poll() is None:
                        s.stop(signal.SIGTERM)
            finally:
                for s in servers:
                    if s.process.poll() is None:
                        s.kill()
            print(f"ok {name[5:].replace('_', ' ')}", flush=True)


main()
