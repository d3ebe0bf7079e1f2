#!/usr/bin/env bash
# A run that dies or is stopped, at any moment and many times over, ends as the run that never was;
# a run that somebody works on is left to them.
. "$(dirname "$0")/common"
export OMP_NUM_THREADS=1 # threads that wait for each other on a busy machine take ten times as long
RANDOM=7
make_rows
cat >"$scratch/experiment.yaml" <<YAML
name: tiny
model: $PWD/$model
data: {file: data.jsonl, search: 24, selection: 12, final: 20}
template: "{{instruction}} {{input}}:{{target}}"
genes:
  instruction: {kind: text, seed: turn it, max_words: 4, lexicon: [turn, it, the, back, a]}
fitness: {kind: logprob, fluency_weight: 0.01}
search: {kind: ga, population: 6, block: 6, model_words: 2}
budget: {tokens: 9000}
finalists: 3
engine: {threads: 1}
YAML
evolve() { "$LAMARCK" evolve "$@" >"$scratch/stdout" 2>"$scratch/stderr"; }
# Everything but time, and the name of the folder.
timeless() { "$LAMARCK" show "$1" --json | grep -vE '"(seconds|started|dir|folder)"'; }

begin=$(now_ms)
evolve "$scratch/experiment.yaml" --out "$scratch/whole" || note "a whole run failed"
took=$(($(now_ms) - begin))
timeless "$scratch/whole" >"$scratch/whole.json"

# Kills, each a random part of a whole run after the process began; up to four for one run.
kills=0 different=0
while [ $kills -lt 20 ]; do
    run_killed evolve 4
    timeless "$scratch/killed" >"$scratch/killed.json"
    cmp -s "$scratch/whole.json" "$scratch/killed.json" || {
        different=$((different + 1))
        diff "$scratch/whole.json" "$scratch/killed.json" | head -5 >>"$actual"
    }
done
note "20 kills: $different runs ended differently"

# A long run: somebody else is refused and told who works on it; Ctrl-C stops it and keeps it.
"$LAMARCK" evolve "$scratch/experiment.yaml" --out "$scratch/long" --budget tokens=100000000 \
    >/dev/null 2>"$scratch/long.err" &
process=$!
until [ "$(status "$scratch/long")" = running ] && grep -q '^search' "$scratch/long.err"; do
    kill -0 $process || break
    sleep 0.05
done
evolve --resume "$scratch/long"
note "a second process: exit $?"
grep -q "process $process\$\|process $process[^0-9]" "$scratch/stderr" && note "told who works on it" ||
    note "not told who works on it: $(cat "$scratch/stderr")"
kill -INT $process
wait $process
note "Ctrl-C: exit $?, status $(status "$scratch/long")"
tail -1 "$scratch/long.err" | neutral >>"$actual"
grep -q '"stop_reason": "interrupted"' <("$LAMARCK" show "$scratch/long" --json) || note "the reason is not on record"

# Held up by another program's lock, a run cannot stop at once when it is asked to; a second Ctrl-C
# does not wait, and what was written before is whole.
mkfifo "$scratch/sql"
"$LAMARCK" evolve --resume "$scratch/long" >/dev/null 2>"$scratch/forced.err" &
process=$!
sqlite3 "$scratch/long/lamarck.sqlite" <"$scratch/sql" >"$scratch/held" &
holder=$!
exec 3>"$scratch/sql"
until grep -q '^search' "$scratch/forced.err"; do
    kill -0 $process || break
    sleep 0.05
done
printf '.timeout 30000\nBEGIN IMMEDIATE;\nSELECT 1;\n' >&3
until grep -q 1 "$scratch/held"; do
    kill -0 $holder || break
    sleep 0.05
done
sleep 2 # by then it wants to write
kill -INT $process
sleep 1
kill -0 $process && note "one Ctrl-C: waits for the lock"
begin=$(now_ms)
kill -INT $process
wait $process
note "two: exit $?"
[ $(($(now_ms) - begin)) -lt 2000 ] || note "but not at once"
exec 3>&-
wait $holder
note "status $(status "$scratch/long"), $(sqlite3 "$scratch/long/lamarck.sqlite" 'PRAGMA integrity_check')"
"$LAMARCK" evolve --resume "$scratch/long" >/dev/null 2>"$scratch/again.err" &
process=$!
until grep -q '^search' "$scratch/again.err"; do
    kill -0 $process || break
    sleep 0.05
done
kill -INT $process
wait $process
note "resumed and stopped again: exit $?, status $(status "$scratch/long")"

# As a plain user cannot write into somebody else's folder, neither can a run begin in a file's place.
echo "not a folder" >"$scratch/file"
evolve "$scratch/experiment.yaml" --out "$scratch/file"
note "a file in the folder's place: exit $?"
finish
