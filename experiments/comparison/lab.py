"""What the comparison's methods share: an experiment as a run kept it, the engine behind
the command line, and one way of scoring a prompt for all of them."""
import json
import math
import os
import sqlite3
import subprocess
import tempfile


class Engine:
    """`lamarck` on one model. Counts nothing by itself: tokens are counted by their callers."""

    def __init__(self, program, model, niceness=0, threads=0):
        self.program, self.model, self.niceness = program, model, niceness
        self.threads = ["--threads", str(threads)] if threads else []
        # Threads that wait by spinning take the cores from whatever else runs here.
        self.environment = dict(os.environ, OMP_WAIT_POLICY="passive")

    def call(self, *arguments):
        done = subprocess.run(["nice", "-n", str(self.niceness), self.program, *arguments],
                              capture_output=True, text=True, encoding="utf-8",
                              env=self.environment)
        if done.returncode != 0:
            raise RuntimeError("lamarck %s: %s" % (" ".join(arguments), done.stderr[-1000:]))
        return done.stdout

    def _on_lines(self, objects, *arguments):
        """Run a command that reads JSON Lines (its path stands for "@") and prints them."""
        if not objects:
            return []
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl", delete=False,
                                         encoding="utf-8") as f:
            for o in objects:
                f.write(json.dumps(o, ensure_ascii=False) + "\n")
        try:
            out = self.call(*(f.name if a == "@" else a for a in arguments))
        finally:
            os.unlink(f.name)
        lines = [json.loads(line) for line in out.split("\n") if line]
        assert len(lines) == len(objects), arguments
        return lines

    def score(self, rows):
        """[(context, target)] -> [(log-probability, target tokens)]"""
        got = self._on_lines([{"context": c, "target": t} for c, t in rows],
                             "score", self.model, "--rows", "@", *self.threads)
        return [(g["logprob"], g["tokens"]) for g in got]

    def generate(self, prompts, max_tokens, stops=(), chat=False, temperature=0.0,
                 top_p=1.0, seed=0):
        """Prompts -> objects with "text", "ids" and "finish"."""
        options = ["--max-tokens", str(max_tokens), "--temperature", str(temperature),
                   "--top-p", str(top_p), "--seed", str(seed)]
        options += ["--chat"] * chat + self.threads
        for stop in stops:
            options += ["--stop", stop]
        return self._on_lines([{"prompt": p} for p in prompts],
                              "generate", self.model, "--rows", "@", "--json", *options)

    def count_tokens(self, texts):
        got = self._on_lines([{"text": t} for t in texts], "tokenize", self.model, "@")
        return [len(g["ids"]) for g in got]


def open_store(run_folder):
    path = os.path.join(run_folder, "lamarck.sqlite")
    return sqlite3.connect("file:%s?mode=ro" % path, uri=True) if os.path.exists(path) else None


def unfinished_run(run_folder):
    db = open_store(run_folder)
    return db and db.execute("SELECT 1 FROM run WHERE status <> 'finished'").fetchone()


class Experiment:
    """The canonical JSON that a run keeps of its experiment, data and splits included."""

    def __init__(self, run_folder):
        db = open_store(run_folder)
        (text,) = db.execute("SELECT experiment FROM run ORDER BY id").fetchone()
        self.json = json.loads(text)
        self.name = self.json["name"]
        self.genes = self.json["genes"]
        self.fitness = self.json["fitness"]
        self.budget = self.json["budget"]["tokens"]
        assert isinstance(self.json["template"], str), "chat templates are not compared"

    def rows(self, *splits):
        data = self.json["data"]
        return [data["rows"][i] for s in splits for i in data["splits"][s]]

    def fill(self, instruction, demos):
        """The template with everything but the data's fields and the target filled in."""
        values = {"instruction": instruction}
        for name, gene in self.genes.items():
            if gene["kind"] == "choice":
                values[name] = gene["seed"]
            elif gene["kind"] == "demos":
                values[name] = "".join(
                    self._with_row(substitute(gene["each"], values), row, row["targets"][0])
                    + gene["separator"] for row in demos)
        return substitute(self.json["template"], values)

    def _with_row(self, text, row, target):
        values = dict(zip(self.json["data"]["fields"], row["values"]))
        return substitute(text, dict(values, target=target))

    def context(self, prompt, row):
        return self._with_row(prompt.split("{{target}}")[0], row, "")

    def answers(self, row):
        """What is scored for a row: every label, or every right answer."""
        return self.fitness["labels"] or row["targets"]

    def tokens(self, engine, prompts, rows):
        """tokens[p][r]: what scoring row r under prompt p is charged."""
        texts = [self.context(p, r) + a for p in prompts for r in rows
                 for a in self.answers(r)]
        counts = iter(engine.count_tokens(texts))
        return [[sum(next(counts) for _ in self.answers(r)) for r in rows] for p in prompts]

    def _answers_scored(self, engine, prompts, rows):
        """[p][r]: (log-probability, tokens) of every answer."""
        jobs = [(self.context(p, r), a) for p in prompts for r in rows
                for a in self.answers(r)]
        got = iter(engine.score(jobs))
        return [[[next(got) for _ in self.answers(r)] for r in rows] for _ in prompts]

    def score(self, engine, prompts, rows):
        """score[p][r] by the experiment's own fitness, penalties left out as in a verdict."""
        return [[self._row_score(self.fitness["kind"], r, got) for r, got in zip(rows, of_prompt)]
                for of_prompt in self._answers_scored(engine, prompts, rows)]

    def judge(self, engine, prompt, rows):
        """Of each row: "final", its score; and where that is a likelihood "exact", whether the
        answer was right."""
        kind = self.fitness["kind"]
        (got,) = self._answers_scored(engine, [prompt], rows)

        def each(of_kind):
            return [self._row_score(of_kind, r, g) for r, g in zip(rows, got)]
        judged = {"final": each(kind)}
        if kind == "logprob":
            judged["exact"] = self.exact(engine, [prompt], rows)[0]
        elif kind == "label_logprob":
            judged["exact"] = each("accuracy")
        return judged

    def _row_score(self, kind, row, got):
        right = [label in row["targets"] for label in self.fitness["labels"] or []]
        if kind == "accuracy":
            return float(right[max(range(len(got)), key=lambda i: (got[i][0], -i))])
        if kind == "label_logprob":
            p = [math.exp(logprob) for logprob, _ in got]
            return math.log(sum(x for x, r in zip(p, right) if r) / sum(p))
        assert kind == "logprob", kind
        per_token = self.fitness["per_token"]
        return max(logprob / (n if per_token else 1) for logprob, n in got)

    def exact(self, engine, prompts, rows, max_tokens=16):
        """exact[p][r]: the first generated line is a right answer, white space trimmed."""
        got = iter(engine.generate([self.context(p, r).rstrip(" ") for p in prompts
                                    for r in rows], max_tokens))
        return [[float(first_line(next(got)["text"]) in [t.strip() for t in r["targets"]])
                 for r in rows] for _ in prompts]


def first_line(text):
    """An answer after "Output:" may begin on the next line."""
    return (text.strip().split("\n") or [""])[0].strip()


def substitute(text, values):
    for name, value in values.items():
        text = text.replace("{{%s}}" % name, value)
    return text


def append_line(path, record):
    """One line at a time and at once: a stopped comparison goes on where it was."""
    with open(path, "a", encoding="utf-8") as f:
        f.write(json.dumps(record, ensure_ascii=False) + "\n")


def read_lines(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]
