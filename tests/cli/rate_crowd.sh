#!/usr/bin/env bash
# A crowd from the command line: tasks in, ratings in, status, out again, into another run; links.
. "$(dirname "$0")/common"
file() { printf '%b' "$2" >"$scratch/$1"; }
dir=$scratch/run

run rate status "$scratch/none"
run rate import "$scratch/none" "$scratch/none.csv"
run rate import "$dir"
file tasks.csv 'kind,ties,text,context,output1,output2,label1,label2,label3,wanted,gold,practice
compare,1,Which name suits the dream better?,rain,Nimbus,Bob,,,,3,,
compare,1,Which name suits the dream better?,fire,Carl,Ember,,,,3,,
compare,1,Which name suits the dream better?,snow,Frost,xx,,,,1,0,1
compare,1,Which name suits the dream better?,hail,Frost,yy,,,,1,0,1
compare,1,Which name suits the dream better?,sand,Dune,zz,,,,1,0,1
compare,1,Which name suits the dream better?,"moon, full",qq,"=Luna",,,,1,1,1
scale,0,How good is it?,rain,Nimbus,,bad,so so,good,2,,
'
run rate import "$dir" "$scratch/tasks.csv"
run rate import "$dir" "$scratch/tasks.csv" --what tasks
run rate import "$dir" "$scratch/tasks.csv" --what tasks
run_quietly rate rules "$dir" --min-checks 4 # there are not many
run list "$dir"
run rate export "$dir" --what tasks --format csv
run rate export "$dir" --what tasks

# Ratings about tasks by their ids, from a program; some are not as they should be.
python3 - "$scratch" <<'PY'
import csv, json, subprocess, sys, os
scratch = sys.argv[1]
lines = subprocess.run([os.environ.get("LAMARCK", "build/release/lamarck"), "rate", "export",
                        scratch + "/run", "--what", "tasks"], capture_output=True, text=True).stdout
tasks = [json.loads(line) for line in lines.splitlines()]
rows = []
for who in ("ann", "bob", "cheat"):
    for n, t in enumerate(tasks):
        answer = 2 if t["question"]["kind"] == "scale" else int(n == 1 and who == "bob")
        if t["question"]["kind"] == "scale" and who == "bob":
            answer = 3
        if t["gold"] is not None:
            answer = 1 - t["gold"] if who == "cheat" else t["gold"]
        rows.append([t["task"], who, answer, 1000 + n, 0.5 if who == "ann" and n == 1 else 4])
rows.append([tasks[0]["task"], "dan", "tie", 1100, 3])
with open(scratch + "/ratings.csv", "w", newline="") as f:
    w = csv.writer(f)
    w.writerow("task rater answer time seconds".split())
    w.writerows(rows)
rows[5][2] = 7
with open(scratch + "/bad.csv", "w", newline="") as f:
    w = csv.writer(f)
    w.writerow("task rater answer time seconds".split())
    w.writerows(rows)
PY
run rate import "$dir" "$scratch/bad.csv"
run rate export "$dir"
run rate import "$dir" "$scratch/ratings.csv"
run rate import "$dir" "$scratch/ratings.csv"
run rate status "$dir"
note "the names that scripts read"
"$LAMARCK" rate status "$dir" --json 2>&1 | python3 -c 'import json, sys
def walk(x, at):
    if isinstance(x, dict):
        for k in x: walk(x[k], at + "." + k)
    elif isinstance(x, list) and x and isinstance(x[0], dict): walk(x[0], at + "[]")
    else: print(at)
walk(json.load(sys.stdin), "")' >>"$actual" 2>&1
run rate export "$dir" --format csv

# The same statistics, counted by another program from the exported rows and the rules.
cat >"$scratch/recount.py" <<'PY'
import collections, json, statistics, subprocess, sys
def rows(*words):
    out = subprocess.run([sys.argv[1], "rate", *words], capture_output=True, text=True, check=True)
    return out.stdout
run = sys.argv[2]
status = json.loads(rows("status", run, "--json", "--resamples", "0"))
rules = status["rules"]
tasks = [json.loads(x) for x in rows("export", run, "--what", "tasks").splitlines()]
stand = [r for r in map(json.loads, rows("export", run).splitlines()) if not r["withdrawn"]]
by = collections.defaultdict(list)
for r in stand:
    by[r["rater_name"]].append(r)
excluded = set()
for name, own in by.items():
    gold = [r for r in own if r["gold"] is not None and not r["repeat"]]
    right = sum(r["gold"] == (r["outputs"][r["answer"]] if len(r["outputs"]) > 1 else str(r["answer"]))
                for r in gold)
    told = next(r for r in status["raters"] if r["name"] == name)
    assert (told["gold"], told["gold_right"]) == (len(gold), right), name
    if len(gold) >= rules["min_checks"] and right < rules["min_right"] * len(gold):
        excluded.add(name)
counted = [r for r in stand if r["rater_name"] not in excluded and r["gold"] is None
           and not r["repeat"] and not r["seconds"] < rules["min_seconds"]]
done = collections.Counter(r["task"] for r in counted)
missing = [t["wanted"] - done[t["task"]] for t in tasks if t["gold"] is None and not t["closed"]]
mine = {"tasks": len(tasks), "ratings": len(stand), "counted": len(counted),
        "n_excluded": len(excluded), "open_tasks": sum(m > 0 for m in missing),
        "wanted": sum(m for m in missing if m > 0),
        "median_seconds": statistics.median(r["seconds"] for r in stand)}
for name, value in mine.items():
    assert status[name] == value, (name, status[name], value)
print("recounted:", *mine.values())
PY
python3 "$scratch/recount.py" "$LAMARCK" "$dir" >>"$actual" 2>&1

# To the aggregations.
run rate export "$dir" --what comparisons --format csv
run rate export "$dir" --what values
"$LAMARCK" rate export "$dir" --what comparisons --format csv |
    "$LAMARCK" rate aggregate --ratings - --method bradley-terry --prior 0.1 >>"$actual" 2>&1
"$LAMARCK" rate export "$dir" --what values --format csv |
    "$LAMARCK" rate aggregate --ratings - --method alpha --resamples 0 >>"$actual" 2>&1

# Other rules, for what was before too; then the old ones.
run rate rules "$dir" --min-right 0 --min-seconds 0.25 --max-ratings 10
run rate status "$dir" --resamples 0
python3 "$scratch/recount.py" "$LAMARCK" "$dir" >>"$actual" 2>&1
run rate rules "$dir" --min-right 2
run rate rules "$dir" --gold-share 0.9 --repeat-share 0.2
run rate rules "$dir" --open --closed
run rate rules "$dir" --closed --json
run rate rules "$dir" --open --min-right 0.6 --min-seconds 1 --max-ratings 0

# Into another run: the same statistics, by way of either format.
for format in csv jsonl; do
    for what in tasks ratings; do
        run rate export "$dir" --what $what --format $format --out "$scratch/$what.$format"
        run rate import "$scratch/$format" "$scratch/$what.$format" --what $what
    done
    run_quietly rate rules "$scratch/$format" --min-checks 4
    "$LAMARCK" rate status "$dir" >"$scratch/here" 2>&1
    "$LAMARCK" rate status "$scratch/$format" >"$scratch/there" 2>&1
    diff "$scratch/here" "$scratch/there" >>"$actual" && note "$format: the same"
done
"$LAMARCK" rate export "$dir" --what tasks | "$LAMARCK" rate import "$scratch/piped" - --what tasks >>"$actual" 2>&1

# Links, whose tokens are secret.
links() { sed -E 's/[A-Za-z0-9_-]{43}$/TOKEN/' "$scratch/stdout" >>"$actual"; }
invite() {
    run_quietly rate invite "$@"
    links
    cat "$scratch/stderr" >>"$actual"
}
invite "$dir"
invite "$dir" --count 2 --base https://rate.example.org/
invite "$dir" --name ann --name "Ada L." --name ann
invite "$dir" --count 0
invite "$dir" --count 2 --name ann
invite "$dir" --base rate.example.org
invite "$dir" --name "$(printf 'a\tb')"
invite "$dir" --name ''
run rate status "$dir" --resamples 999999999
run rate export "$dir" --what answers
run rate export "$dir" --format cvs

# A file that is no crowd's, a folder that may not be written.
mkdir -p "$scratch/other"
file other/lamarck.sqlite 'not a database, but long enough to be looked at as one'
run rate status "$scratch/other"
finish
