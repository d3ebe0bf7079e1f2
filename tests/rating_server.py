"""Runs `lamarck rate serve` for tests and speaks to it: Python's standard library alone."""
import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import ssl
import subprocess
from urllib.parse import urlencode, urlsplit

LAMARCK = os.environ.get("LAMARCK", "build/release/lamarck")
KEY = "a-key-for-tests-0123456789"


class Reply:
    def __init__(self, response):
        self.status, self.headers = response.status, response.headers
        self.body = response.read()
        self.text = self.body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.body)


class Server:
    """A server of the run folder `run`, made if it is not there."""

    def __init__(self, run, *options, key=KEY):
        self.run = run
        os.makedirs(run, exist_ok=True)
        self.database = os.path.join(run, "lamarck.sqlite")
        with sqlite3.connect(self.database) as db:
            db.execute("vacuum")
        environment = {k: v for k, v in os.environ.items() if k != "LAMARCK_API_KEY"}
        if key:
            environment["LAMARCK_API_KEY"] = key
        self.process = subprocess.Popen(
            [LAMARCK, "rate", "serve", run, "--port", "0", "--rater-rate", "0", "--address-rate", "0", *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            raise RuntimeError(self.process.stderr.read())
        self.invited = {}
        for _ in range(options.count("--invite")):
            name, link = self.process.stdout.readline().rstrip("\n").split("\t")
            self.invited[name] = urlsplit(link).path
        parts = urlsplit(self.url)
        self.host, self.port = parts.hostname, parts.port
        self.tls = parts.scheme == "https"

    def connect(self, timeout=20):
        if self.tls:
            trust = ssl._create_unverified_context()
            return http.client.HTTPSConnection(self.host, self.port, timeout=timeout, context=trust)
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)

    def ask(self, method, path, body=None, headers=None, connection=None):
        c = connection or self.connect()
        c.request(method, path, body, headers or {})
        reply = Reply(c.getresponse())
        if not connection:
            c.close()
        return reply

    def get(self, path, **headers):
        return self.ask("GET", path, None, {k.replace("_", "-"): v for k, v in headers.items()})

    def form(self, path, fields=None, **headers):
        head = {"Content-Type": "application/x-www-form-urlencoded"}
        head.update({k.replace("_", "-"): v for k, v in headers.items()})
        return self.ask("POST", path, urlencode(fields or {}), head)

    def api(self, method, path, body=None, connection=None, **headers):
        head = {"Authorization": "Bearer " + KEY}
        head.update({k.replace("_", "-"): v for k, v in headers.items()})
        if body is not None:
            head["Content-Type"] = "application/json"
            body = body if isinstance(body, (str, bytes)) else json.dumps(body)
        return self.ask(method, "/api/v1/" + path, body, head, connection)

    def raw(self, data, timeout=20):
        """Send bytes as they are; what comes back until the server closes."""
        with socket.create_connection((self.host, self.port), timeout=timeout) as s:
            s.sendall(data)
            got = b""
            try:
                while chunk := s.recv(65536):
                    got += chunk
            except (ConnectionResetError, TimeoutError):
                pass
            return got

    def task(self, i=0, kind="compare", **more):
        """Put task number i of the kind."""
        n = {"compare": 2, "best": 4}.get(kind, 1)
        question = {"kind": kind, "text": "Which is better?"}
        if kind in ("compare", "best"):
            question["ties"] = True
        if kind == "scale":
            question["labels"] = ["bad", "so so", "good"]
        question.update(more.pop("question", {}))
        body = {"question": question, "context": f"context {i}", "outputs": [f"output {i}.{k}" for k in range(n)]}
        body.update(more)
        return self.api("POST", "tasks", body).json()["task"]

    def rater(self, name, **more):
        """Make a rater: his number, and the path of his link."""
        r = self.api("POST", "raters", {"name": name, **more}).json()
        return r["rater"], urlsplit(r["invitation"]).path

    def rules(self, **values):
        """Set the crowd's rules in the file, as the run would."""
        with sqlite3.connect(self.database) as db:
            columns = [c[1] for c in db.execute("pragma table_info(crowd_state)")]
            for name, value in values.items():
                assert name in columns, (name, columns)
                db.execute(f"update crowd_state set {name} = ?", (value,))

    def statistics(self):
        return self.api("GET", "statistics").json()

    def export(self):
        return [json.loads(line) for line in self.api("GET", "export").text.splitlines()]

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def stop(self, number=signal.SIGINT):
        """End it as Ctrl-C does; what it said on standard error."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, (self.process.returncode, said)
        return said


def hidden(page, name):
    """The value of a hidden field."""
    return re.search(rf'<input type="hidden" name="{name}" value="([^"]*)">', page).group(1)
