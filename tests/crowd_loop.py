"""Times the whole loop of a run that people judge: generate, ask, answer over HTTP, aggregate,
select, with a tiny model, so that what is timed is the loop. Prints one JSON object.

    crowd_loop.py RUN MODEL.gguf [N]    RUN: a run's folder, new or with many ratings in it; a new one
                                        gets N ratings first, of other outputs in answer to the same
                                        question, as earlier steps would have left them
"""
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

from crowd_kills import KEY, LAMARCK, Server, free_port

YAML = """name: loop
model: {model}
data: {{file: rows.jsonl, search: 6, selection: 4, final: 8}}
template: '{{{{instruction}}}}{{{{mark}}}} {{{{input}}}} is'
genes:
  instruction: {{kind: text, seed: the opposite of, max_words: 6, lexicon: [hot, cold, question, answer]}}
  mark: {{kind: choice, options: [':', ' of', ' to']}}
fitness:
  kind: human
  question: Which is longer?
  shown: 'about {{{{input}}}}'
  ratings: 4
  max_tokens: 6
  quality: {{gold_share: 0, repeat_share: 0, min_seconds: 0, min_right: 0}}
search: {{population: 4, founders: 6, elites: 1, tournament: 2, block: 3, model_words: 0}}
budget: {{evaluations: 150}}
finalists: 2
engine: {{threads: 1}}
"""


def import_lines(run, what, objects):
    subprocess.run([LAMARCK, "rate", "import", run, "-", "--what", what], check=True, stdout=subprocess.DEVNULL,
                   input="".join(json.dumps(o) + "\n" for o in objects), text=True)


def fill(run, n):
    """Four ratings a task, by 200 raters."""
    question = {"kind": "compare", "text": "Which is longer?", "instructions": "", "ties": True}
    import_lines(run, "tasks", ({"question": question, "context": f"about thing {t % 20}", "wanted": 4,
                                 "outputs": [f"earlier {t}", f"before {t}"]} for t in range(n // 4)))
    exported = subprocess.run([LAMARCK, "rate", "export", run, "--what", "tasks"], check=True, capture_output=True,
                              text=True).stdout
    tasks = [json.loads(line)["task"] for line in exported.splitlines()]
    import_lines(run, "ratings", ({"task": task, "rater_name": f"before-{(7 * t + 53 * k) % 200}", "seconds": 6,
                                   "answer": (t + k) % 2, "key": f"before-{t}-{k}"}
                                  for t, task in enumerate(tasks) for k in range(4)))


def ratings(run):
    with sqlite3.connect(os.path.join(run, "lamarck.sqlite")) as db:
        return db.execute("select count(*) from crowd_rating").fetchone()[0]


def main():
    run, model = sys.argv[1], os.path.abspath(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "rows.jsonl"), "w") as f:
            f.writelines(json.dumps({"input": f"thing {i}"}) + "\n" for i in range(20))
        with open(os.path.join(folder, "loop.yaml"), "w") as f:
            f.write(YAML.format(model=model))
        if not os.path.isdir(run) and len(sys.argv) > 3:
            fill(run, int(sys.argv[3]))
        elif not os.path.isdir(run):
            os.makedirs(run)
            sqlite3.connect(os.path.join(run, "lamarck.sqlite")).execute("vacuum")
        else: # what is left of another crowd's work would be answered too
            with sqlite3.connect(os.path.join(run, "lamarck.sqlite")) as db:
                db.execute("update crowd_task set closed = 1 where closed = 0")
        before = ratings(run) if os.path.getsize(os.path.join(run, "lamarck.sqlite")) > 8192 else 0
        server = Server(run, free_port())
        crowd = subprocess.Popen([LAMARCK, "rate", "simulate", "--url", server.url, "--raters", "20", "--wait", "600",
                                  "--json"], stdout=subprocess.PIPE, text=True,
                                 env=dict(os.environ, LAMARCK_API_KEY=KEY))
        began = time.monotonic()
        done = subprocess.run([LAMARCK, "evolve", os.path.join(folder, "loop.yaml"), "--out", run, "--poll", "0.1",
                               "--json"], capture_output=True, text=True)
        took = time.monotonic() - began
        crowd.send_signal(signal.SIGINT)
        crowd.communicate()
        server.end(signal.SIGINT)
        if done.returncode != 0:
            sys.exit(done.stderr)
        steps = len(json.loads(done.stdout)["history"])
        print(json.dumps({"before": before, "asked": ratings(run) - before, "seconds": round(took, 3), "steps": steps,
                          "seconds_per_step": round(took / steps, 3)}))


if __name__ == "__main__":
    main()
