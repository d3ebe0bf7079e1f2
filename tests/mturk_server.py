#!/usr/bin/env python3
"""A stand-in for Mechanical Turk that is hard to please: for tests.

Holds every request to botocore's shapes (tests/data/mturk/shapes.json), checks the version 4
signature by itself, keeps HITs, workers and a ledger of all money, and misbehaves on demand:
throttling, 500s, connections dropped before and after acting, slow answers, a clock that is
off. Workers answer by filling in the forms that they are shown.

As a program: mturk_server.py PORT_FILE; POST /control takes {"do": …} (see Turk.control).
As a module: Server(...) runs in a thread."""
import hashlib
import hmac
import html.parser
import http.server
import json
import os
import random
import re
import socket
import sys
import threading
import time
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = "MTurkRequesterServiceV20170117."
SCHEMAS = "http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/"


class Refusal(Exception):
    def __init__(self, kind, message, code="", status=400):
        super().__init__(message)
        self.kind, self.message, self.code, self.status = kind, message, code, status


def request_error(code, message):
    return Refusal("RequestError", f"{message} (1700000000000 s)", "AWS.MechanicalTurk." + code)


# ---- Signatures, after AWS's description of version 4 ----

def signature_of(secret, method, path, headers, signed, body, stamp, scope):
    canonical = "\n".join([
        method, path, "",
        "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in signed),
        ";".join(signed), hashlib.sha256(body).hexdigest()])
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope,
                      hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def check_signature(turk, method, path, headers, body):
    found = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/([^,]+),\s*"
                         r"SignedHeaders=([^,]+),\s*Signature=([0-9a-f]{64})",
                         headers.get("authorization", ""))
    if not found:
        raise Refusal("MissingAuthenticationTokenException", "Missing Authentication Token", status=403)
    key, scope, signed, signature = found.groups()
    signed = signed.split(";")
    stamp = headers.get("x-amz-date", "")
    if key != turk.key or headers.get("x-amz-security-token") != turk.session_token:
        raise Refusal("UnrecognizedClientException",
                      "The security token included in the request is invalid.")
    if scope.split("/")[1:] != ["us-east-1", "mturk-requester", "aws4_request"]:
        raise Refusal("InvalidSignatureException", "Credential should be scoped to a valid region.")
    needed = {"host"} | {n for n in headers if n.startswith("x-amz-")}
    if signed != sorted(signed) or not needed <= set(signed) <= set(headers):
        raise Refusal("InvalidSignatureException", "not all headers are signed")
    try:
        sent = time.mktime(time.strptime(stamp + "UTC", "%Y%m%dT%H%M%SZ%Z")) - time.timezone
    except ValueError:
        raise Refusal("IncompleteSignatureException", "no date")
    now = time.time() + turk.clock
    if abs(sent - now) > 300:
        word = "expired" if sent < now else "not yet current"
        raise Refusal("InvalidSignatureException", f"Signature {word}: {stamp} is not near the time")
    if signature != signature_of(turk.secret, method, path, headers, signed, body, stamp, scope):
        raise Refusal("InvalidSignatureException",
                      "The request signature we calculated does not match the signature you "
                      "provided. Check your AWS Secret Access Key and signing method. Consult "
                      "the service documentation for details. The Canonical String for this "
                      f"request should have been 'POST x-amz-security-token:{turk.session_token}'")


# ---- Shapes ----

KINDS = {"string": str, "integer": int, "long": int, "boolean": bool, "list": list,
         "structure": dict, "timestamp": (int, float)}


def check_shape(shapes, name, value, at):
    shape = shapes[name]
    kind = shape["type"]
    right = isinstance(value, KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))
    size = value if kind in ("integer", "long") else len(value) if kind in ("string", "list") else None
    if right and kind == "string":
        right = re.search(shape.get("pattern", ""), value) and value in shape.get("enum", [value])
    if right and size is not None:
        right = shape.get("min", size) <= size <= shape.get("max", size)
    if not right:
        raise Refusal("SerializationException", f"{at} is {value!r}, not a {name}")
    if kind == "list":
        for i, x in enumerate(value):
            check_shape(shapes, shape["member"], x, f"{at}[{i}]")
    if kind == "structure":
        for x in shape.get("required", []):
            if x not in value:
                raise Refusal("ValidationException", f"{at} has no {x}")
        for key, x in value.items():
            if key not in shape["members"]:
                raise Refusal("ValidationException", f"{at} has an unknown {key}")
            check_shape(shapes, shape["members"][key], x, f"{at}.{key}")


def outline(value):
    """Names and kinds of a body, whatever the values."""
    if isinstance(value, dict):
        return {k: outline(v) for k, v in value.items() if k != "NextToken"}
    if isinstance(value, list):
        return ["list"]
    return type(value).__name__


# ---- Questions and workers ----

class Form(html.parser.HTMLParser):
    """The fields of the one form in a page; buttons are choices like radio buttons."""
    def __init__(self, text):
        super().__init__()
        self.hidden, self.radios, self.action = {}, {}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if tag == "form":
            self.action = a["action"]
        elif tag == "input" and a.get("type") == "hidden":
            self.hidden[a["name"]] = a["value"]
        elif tag == "button" and "name" in a or tag == "input" and a.get("type") == "radio":
            self.radios.setdefault(a["name"], []).append(a["value"])


def check_question(text):
    if len(text.encode()) > 65535:
        raise request_error("XMLParseError", "the question is too long")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as e:
        raise request_error("XMLParseError", f"There was an error parsing the XML question: {e}")
    if root.tag == f"{{{SCHEMAS}2011-11-11/HTMLQuestion.xsd}}HTMLQuestion":
        form = Form(root[0].text)
        if not form.action or not form.action.endswith("/mturk/externalSubmit") or \
                "assignmentId" not in form.hidden or not form.radios:
            raise request_error("XMLParseError", "the form cannot be submitted")
    elif root.tag != f"{{{SCHEMAS}2006-07-14/ExternalQuestion.xsd}}ExternalQuestion":
        raise request_error("XMLParseError", f"unknown question {root.tag}")
    return root


def answer_document(fields):
    pairs = "".join(f"<Answer><QuestionIdentifier>{escape(k)}</QuestionIdentifier>"
                    f"<FreeText>{escape(v)}</FreeText></Answer>" for k, v in fields.items())
    return ('<?xml version="1.0" encoding="UTF-8"?>\n<QuestionFormAnswers xmlns="' + SCHEMAS +
            f'2005-10-01/QuestionFormAnswers.xsd">{pairs}</QuestionFormAnswers>')


def cents_of(money):
    return round(float(money) * 100)


def fee_of(reward, assignments, masters):
    fee = reward * (20 + 20 * (assignments >= 10) + 5 * masters) / 100
    return max(1, int(fee + 0.5))


MASTERS = ("2ARFPLSP75KLA8M8DH1HTEQVJT3SY6", "2F1QJWKUDD8XADTFD2Q0G6UTO95ALH")


class Turk:
    """HITs, assignments, money."""
    def __init__(self, key="AKIDEXAMPLE", secret="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                 session_token=None, seed=1):
        self.key, self.secret, self.session_token = key, secret, session_token
        self.model = json.load(open(os.path.join(HERE, "data", "mturk", "shapes.json")))
        self.unlike, self.outlines = set(), {}  # bodies that are not like botocore's
        for r in json.load(open(os.path.join(HERE, "data", "mturk", "requests.json"))):
            self.outlines.setdefault(r["target"], []).append(outline(r["body"]))
        self.lock = threading.RLock()
        self.random = random.Random(seed)
        self.clock = 0
        self.page, self.rate, self.faults = 100, 0.0, []
        self.hits, self.tokens, self.assignments = {}, {}, {}
        self.payments, self.balance, self.calls = {}, 1000000, {}
        self.peak, self.bad, self.accepted = 0, [], {}
        self.stuck = None  # an assignment that nothing can be done to

    # -- money --

    def liability(self):
        total = 0
        for h in self.hits.values():
            mine = [a for a in self.assignments.values() if a["HITId"] == h["HITId"]]
            live = sum(a["AssignmentStatus"] != "Rejected" for a in mine)
            n = live if self.status(h) in ("Reviewable", "Disposed") else h["MaxAssignments"]
            total += n * h["price"]
        return total

    def status(self, h):
        if h.get("disposed"):
            return "Disposed"
        mine = [a for a in self.assignments.values() if a["HITId"] == h["HITId"]]
        if h["Expiration"] <= time.time() or len(mine) >= h["MaxAssignments"]:
            return "Reviewable"
        return "Assignable"

    def shown(self, h):
        out = {k: v for k, v in h.items() if k not in ("price", "disposed")}
        out["HITStatus"] = self.status(h)
        out["NumberOfAssignmentsPending"] = 0
        return out

    def hit(self, i):
        if i not in self.hits:
            raise request_error("HITDoesNotExist", f"Hit {i} does not exist.")
        return self.hits[i]

    def new_id(self, letter):
        return letter + "".join(self.random.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
                                for _ in range(29))

    # -- operations --

    def CreateHIT(self, x):
        token = x["UniqueRequestToken"]
        if token in self.tokens:
            raise request_error("HITAlreadyExists",
                                f'The HIT with ID "{self.tokens[token]}" already exists.')
        check_question(x["Question"])
        if not 30 <= x["LifetimeInSeconds"] <= 1209600 or not 30 <= x["AssignmentDurationInSeconds"]:
            raise request_error("ParameterValidationError", "bad times")
        if len(x["Title"]) > 128 or len(x["Description"]) > 2000:
            raise request_error("ParameterValidationError", "bad texts")
        reward, n = cents_of(x["Reward"]), x.get("MaxAssignments", 1)
        masters = any(q["QualificationTypeId"] in MASTERS
                      for q in x.get("QualificationRequirements", []))
        price = reward + fee_of(reward, n, masters)
        if self.liability() + n * price > self.balance:
            raise request_error("InsufficientFunds", "This Requester has insufficient funds.")
        h = dict(x, HITId=self.new_id("3"), price=price, CreationTime=time.time(),
                 Expiration=time.time() + x["LifetimeInSeconds"], MaxAssignments=n)
        self.hits[h["HITId"]] = h
        self.tokens[token] = h["HITId"]
        self.peak = max(self.peak, self.liability())
        return {"HIT": self.shown(h)}

    def GetHIT(self, x):
        return {"HIT": self.shown(self.hit(x["HITId"]))}

    def paged(self, x, key, items):
        start = int(x.get("NextToken", "p0")[1:])
        end = start + min(x.get("MaxResults", 10), self.page)
        out = {key: items[start:end], "NumResults": len(items[start:end])}
        if end < len(items):
            out["NextToken"] = f"p{end}"
        return out

    def ListHITs(self, x):
        return self.paged(x, "HITs", [self.shown(h) for h in self.hits.values()
                                      if not h.get("disposed")])

    def ListAssignmentsForHIT(self, x):
        self.hit(x["HITId"])
        wanted = x.get("AssignmentStatuses", ["Submitted", "Approved", "Rejected"])
        return self.paged(x, "Assignments",
                          [a for a in self.assignments.values() if a["HITId"] == x["HITId"]
                           and a["AssignmentStatus"] in wanted])

    def settle(self, x, state):
        a = self.assignments.get(x["AssignmentId"])
        if not a:
            raise request_error("AssignmentDoesNotExist", "Assignment does not exist.")
        if a["AssignmentStatus"] != "Submitted" or a["AssignmentId"] == self.stuck:
            raise request_error("InvalidAssignmentState",
                                "This operation can be called with a status of: Submitted")
        a["AssignmentStatus"] = state
        if state == "Approved":
            self.payments[a["AssignmentId"]] = self.payments.get(a["AssignmentId"], 0) + 1
        return {}

    def ApproveAssignment(self, x):
        return self.settle(x, "Approved")

    def RejectAssignment(self, x):
        return self.settle(x, "Rejected")

    def UpdateExpirationForHIT(self, x):
        self.hit(x["HITId"])["Expiration"] = x["ExpireAt"]
        return {}

    def DeleteHIT(self, x):
        h = self.hit(x["HITId"])
        open_ones = any(a["HITId"] == x["HITId"] and a["AssignmentStatus"] == "Submitted"
                        for a in self.assignments.values())
        if self.status(h) != "Reviewable" or open_ones:
            raise request_error("InvalidHITState", "This HIT is not reviewable or has open assignments.")
        h["disposed"] = True
        return {}

    def GetAccountBalance(self, x):
        held = self.liability()
        return {"AvailableBalance": f"{(self.balance - held) / 100:.2f}",
                "OnHoldBalance": f"{held / 100:.2f}"}

    # -- workers --

    def task(self, hit):
        return self.hits[hit]["RequesterAnnotation"].split()[1]

    def work(self, n, change=None, newest=False, worker=None):
        """n answers to HITs that take some; each worker at most one per task."""
        done = 0
        for h in list(self.hits.values())[::-1 if newest else 1]:
            root = ElementTree.fromstring(h["Question"])
            while done < n and self.status(h) == "Assignable":
                mine = {a["WorkerId"] for a in self.assignments.values()
                        if self.task(a["HITId"]) == self.task(h["HITId"])}
                fresh = next(f"AWORKER{i}" for i in range(10 ** 6) if f"AWORKER{i}" not in mine)
                a = {"AssignmentId": self.new_id("2"), "WorkerId": worker or fresh, "HITId": h["HITId"],
                     "AssignmentStatus": "Submitted", "AcceptTime": time.time() - 30,
                     "SubmitTime": time.time() - 10.5}
                fields = {"assignmentId": a["AssignmentId"]}
                if root.tag.endswith("}HTMLQuestion"):
                    form = Form(root[0].text)
                    fields.update(form.hidden, assignmentId=a["AssignmentId"], comment="")
                    for name, values in form.radios.items():
                        fields[name] = self.random.choice(values)
                a["Answer"] = answer_document({**fields, **(change or {})})
                self.assignments[a["AssignmentId"]] = a
                done += 1
        return done

    def browse(self, page, site, worker):
        """A worker at the newest HIT, on our own page, whose address is `page` here; `site` is this
        server's, where the page's last form goes."""
        h = list(self.hits.values())[-1]
        url = ElementTree.fromstring(h["Question"])[0].text
        path = urllib.parse.urlsplit(url)
        assignment = self.new_id("2")
        self.accepted[assignment] = (h["HITId"], worker)
        query = path.query + "&" + urllib.parse.urlencode(
            {"assignmentId": assignment, "hitId": h["HITId"], "workerId": worker,
             "turkSubmitTo": site})
        at = page + path.path.lstrip("/") + "?" + query
        for _ in range(2):  # the question, then the form that hands in
            form = Form(urllib.request.urlopen(at, timeout=20).read().decode())
            fields = {**form.hidden, **{k: self.random.choice(v) for k, v in form.radios.items()}}
            at = urllib.request.Request(urllib.parse.urljoin(at if isinstance(at, str) else page,
                                                             form.action),
                                        urllib.parse.urlencode(fields).encode())
        urllib.request.urlopen(at, timeout=20).read()

    def hand_in(self, fields):
        """What the site does with a form: it knows the assignment by its id alone."""
        assignment = fields["assignmentId"]
        hit, worker = self.accepted.pop(assignment)
        self.assignments[assignment] = {
            "AssignmentId": assignment, "WorkerId": worker, "HITId": hit,
            "AssignmentStatus": "Submitted", "AcceptTime": time.time() - 20,
            "SubmitTime": time.time(), "Answer": answer_document(fields)}

    # -- the test's own wishes --

    def control(self, x):
        do = x.pop("do")
        if do == "browse":
            self.browse(x["page"], x["site"], x["worker"])
        with self.lock:
            if do == "set":
                for k, v in x.items():
                    setattr(self, k, v)
            if do == "answer":
                return {"done": self.work(x["n"], x.get("change"), x.get("newest"),
                                          x.get("worker"))}
            if do == "raw":
                self.work(1)
                list(self.assignments.values())[-1]["Answer"] = x["answer"]
            if do == "auto_approve":
                for a in self.assignments.values():
                    if a["AssignmentStatus"] == "Submitted":
                        self.settle(a, "Approved")
            if do == "stick":
                self.stuck = list(self.assignments)[x["n"]]
            if do == "lose":
                self.hits.pop(list(self.hits)[-1])
            return self.ledger()

    def ledger(self):
        with self.lock:
            annotations = [h["RequesterAnnotation"] for h in self.hits.values()]
            return {"hits": len(self.hits), "twice": len(annotations) - len(set(annotations)),
                    "assignments": len(self.assignments),
                    "disposed": sum(bool(h.get("disposed")) for h in self.hits.values()),
                    "paid": len(self.payments),
                    "paid_twice": sum(n > 1 for n in self.payments.values()),
                    "rejected": sum(a["AssignmentStatus"] == "Rejected"
                                    for a in self.assignments.values()),
                    "liability_cents": self.liability(), "peak_cents": self.peak,
                    "operations": len(self.calls), "unlike_botocore": len(self.unlike),
                    "calls": dict(self.calls), "refused": self.bad[-5:]}

    def call(self, method, path, headers, body):
        check_signature(self, method, path, headers, body)
        target = headers.get("x-amz-target", "")
        name = target[len(TARGET):]
        if headers.get("content-type") != "application/x-amz-json-1.1" or \
                not target.startswith(TARGET) or name not in self.model["operations"]:
            raise Refusal("UnknownOperationException", target)
        try:
            x = json.loads(body)
        except ValueError as e:
            raise Refusal("SerializationException", str(e))
        check_shape(self.model["shapes"], self.model["operations"][name], x, name)
        if outline(x) not in self.outlines[target]:
            self.unlike.add(name)
        with self.lock:
            self.calls[name] = self.calls.get(name, 0) + 1
            return getattr(self, name)(x)

    def misfortune(self):
        """What goes wrong with this request: from the list of faults, else at random."""
        with self.lock:
            if self.faults:
                return self.faults.pop(0)
            if self.random.random() < self.rate:
                return self.random.choice(["throttle", "terse", "500", "503", "before", "after",
                                           "slow"])
        return None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def date_time_string(self, timestamp=None):
        return super().date_time_string(time.time() + self.server.turk.clock)

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def reply(self, status, value, kind=None):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        if kind:
            self.send_header("x-amzn-ErrorType", kind)
        self.end_headers()
        self.wfile.write(body)

    def drop(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def do_POST(self):
        turk = self.server.turk
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/control":
            return self.reply(200, turk.control(json.loads(body)))
        if self.path == "/mturk/externalSubmit":
            with turk.lock:
                turk.hand_in(dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True)))
            return self.reply(200, b"thank you")
        wrong = turk.misfortune()
        if wrong == "before":
            return self.drop()
        if wrong == "throttle":
            return self.reply(400, {"__type": "com.amazon.coral.availability#ThrottlingException",
                                    "message": "Rate exceeded"})
        if wrong == "terse":
            return self.reply(400, {}, "ThrottlingException:http://internal.amazon.com/")
        if wrong == "503":
            return self.reply(503, b"<html>Service Unavailable</html>")
        if wrong == "garbage":
            return self.reply(200, b"{\"HIT\": [")
        headers = {k.lower(): v for k, v in self.headers.items()}
        try:
            status, value = 200, turk.call("POST", self.path, headers, body)
        except Refusal as e:
            turk.bad.append(f"{e.kind}: {e.message}"[:120])
            status = e.status
            value = {"__type": e.kind, "message": e.message}
            if e.code:
                value = {"__type": e.kind, "Message": e.message, "TurkErrorCode": e.code}
        if wrong == "slow":
            time.sleep(0.25)
        if wrong == "after":
            return self.drop()
        if wrong == "500":
            return self.reply(500, {"__type": "ServiceFault", "Message": "Try later",
                                    "TurkErrorCode": "AWS.ServerError"})
        return self.reply(status, value)


class Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, address):
        if not isinstance(sys.exc_info()[1], (ConnectionError, BrokenPipeError)):
            super().handle_error(request, address)


def serve(turk):
    """The server, listening on a free port of loopback; not yet running."""
    server = Quiet(("127.0.0.1", 0), Handler)
    server.turk = turk
    return server


if __name__ == "__main__":
    server = serve(Turk())
    with open(sys.argv[1] + ".part", "w") as f:
        f.write(str(server.server_address[1]))
    os.rename(sys.argv[1] + ".part", sys.argv[1])
    server.serve_forever()
