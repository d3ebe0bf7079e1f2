#!/usr/bin/env bash
# A search that people judge, from the command line: what it would ask, waiting without a process, a
# simulated crowd that is called one everywhere, and what other commands say of such a file.
. "$(dirname "$0")/common"
make_people 120 <<<"cents: 5"
show() { "$LAMARCK" show "$1" --json >"$scratch/json"; }

run_quietly evolve "$scratch/people.yaml" --dry-run
says "$scratch/stdout" "people answer at most 240 questions, for 12.00 at 5 cents each and 40 minutes of people at 10 s each"
run_quietly evolve "$scratch/people.yaml" --out "$scratch/waits"
says "$scratch/stdout" "No verdict: the run is waiting"
says "$scratch/stdout" "go on:  lamarck evolve --resume"
show "$scratch/waits"
says "$scratch/json" '"status": "waiting"'
says "$scratch/json" '"simulated": false'
run_quietly evolve --resume "$scratch/waits"
says "$scratch/stdout" "0 ratings by 0 raters"
grep -q "SIMULATED" "$scratch/stdout" "$scratch/waits/report.html" && note "called simulated"

for seconds in 2 5 15 40; do # enough to get as far as waiting, on a slow machine too
    timeout --preserve-status -s INT $seconds "$LAMARCK" evolve --resume "$scratch/waits" --poll 0.2 \
        >"$scratch/stdout" 2>"$scratch/stderr"
    status=$?
    grep -q "everything is kept" "$scratch/stderr" && break
done
note "polling until Ctrl-C: exit $status"
says "$scratch/stderr" "everything is kept"

run_quietly evolve "$scratch/people.yaml" --out "$scratch/simulated" --set fitness.crowd=simulated
says "$scratch/stdout" "SIMULATED"
says "$scratch/simulated/report.html" "SIMULATED: no person was asked"
show "$scratch/simulated"
says "$scratch/json" '"status": "finished"'
says "$scratch/json" '"simulated": true'

# The ratings of a run are its budget, if the file or the line says so.
run_quietly evolve "$scratch/people.yaml" --dry-run --budget ratings=90
says "$scratch/stdout" "people answer at most 90 questions, for 4.50 at 5 cents each and 15 minutes of people at 10 s each;"
says "$scratch/stdout" "  the first generation takes about"
run evolve "$scratch/people.yaml" --dry-run --budget ratings=5
run_quietly evolve "$scratch/people.yaml" --out "$scratch/capped" --set fitness.crowd=simulated --budget ratings=90
show "$scratch/capped"
says "$scratch/json" '"stop_reason": "budget: ratings"'
says "$scratch/json" '"ratings":'
"$LAMARCK" show "$scratch/capped" | grep -cE '^  (search|selection|final|all) .* evaluations +[0-9]+ ratings$' | sed 's/^/# rows with ratings: /' >>"$actual"
grep -q '<th class="n">ratings</th>' "$scratch/capped/report.html" && note "the report has them"
run evolve --resume "$scratch/simulated" --poll 0
run prefix "$scratch/people.yaml" --out "$scratch/prefix"
run evolve "$scratch/people.yaml" --set fitness.kind=mixed --dry-run
run evolve "$scratch/people.yaml" --set fitness.ask=wors --dry-run
sed 's/}$/, "target": "cold"}/' "$scratch/rows.jsonl" >"$scratch/targets.jsonl"
run evolve "$scratch/people.yaml" --set data.file=targets.jsonl --set "template='{{words}} {{input}} {{target}}'" \
    --set 'fitness={kind: logprob}' --out "$scratch/model" --poll 5
run evolve "$scratch/people.yaml" --set data.file=targets.jsonl --set "template='{{words}} {{input}} {{target}}'" \
    --set 'fitness={kind: logprob}' --dry-run --budget ratings=90
finish
