#!/usr/bin/env bash
# Help at every level, unknown names, a standard output that cannot be written.
. "$(dirname "$0")/common"
run
run --help
run help
run evlove
run frobnicate
run tokenize --help
run help list
run help nothing
run help rate
run rate --help
run_quietly rate aggregate --help
grep -q "^usage: lamarck rate aggregate " "$scratch/stdout" || note "no help of rate aggregate"
for command in evolve prefix compare show list export score generate gradient words inspect tokenize bench rate reward; do
    run_quietly "$command" --help
    grep -q "^usage: lamarck $command " "$scratch/stdout" || note "$command does not say how it is used"
done
"$LAMARCK" --version | grep -qxE 'lamarck [0-9]+\.[0-9]+\.[0-9]+' || note "--version is not a version"
if [ -e /dev/full ]; then
    "$LAMARCK" --help >/dev/full 2>>"$actual"
    note "a full disk: exit $?"
fi
"$LAMARCK" --version >&- 2>/dev/null
note "standard output closed: exit $?"
"$LAMARCK" list "$scratch" --json 2>&1 | cat >>"$actual"
finish
