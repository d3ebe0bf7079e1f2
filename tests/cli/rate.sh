#!/usr/bin/env bash
# Aggregation of ratings from the command line: results, JSON names, and every way a table can be wrong.
. "$(dirname "$0")/common"
aggregate() { run rate aggregate --ratings "$@"; }
table() { printf '%b' "$2" >"$scratch/$1.csv"; }

run rate
run rate agregate
run rate aggregate
run rate aggregate --ratings "$scratch/none.csv"
run rate aggregate --ratings "$scratch/none.csv" --method alfa
run rate aggregate --ratings "$scratch/none.csv" --method alpha
run rate aggregate --ratings x --method mixed --level ordinal
run rate aggregate --ratings x --method alpha --prior 1
run rate aggregate --ratings x --method bradley-terry --prior -1
run rate aggregate --ratings x --method dawid-skene --smoothing little
run rate aggregate --ratings x --method alpha --level ordnal

# A byte order mark, CRLF, quotes, further columns, an empty value, an item rated twice.
table good '\xef\xbb\xbfwhen,rater,value,item\r\n1,ann,1,"a, ""b"""\r\n2,bob,1,"a, ""b"""\r\n3,ann,2,c\r\n4,bob,3,c\r\n5,cy,,c\r\n6,ann,3,c\r\n7,cy,2,d\r\n8,bob,2,d\r\n9,ann,1,d'
aggregate "$scratch/good.csv" --method alpha --level interval --resamples 0
aggregate "$scratch/good.csv" --method alpha --level interval --resamples 0 --json
aggregate "$scratch/good.csv" --method alpha --repeated first --resamples 0
aggregate "$scratch/good.csv" --method alpha --repeated error
aggregate "$scratch/good.csv" --method alpha --item-column thing

# As pandas and spreadsheets write: a first column without a name, unused ones of one name, rows of
# nothing but commas, blanks around names and numbers.
table pandas ',item,rater , value,x,x\r\n0,a,r1, 1,,\r\n1,a,r2,2 ,,\r\n2,b,r1,2,,\r\n3,b,r2,2,,\r\n,,,,,\r\n'
aggregate "$scratch/pandas.csv" --method alpha --level interval --resamples 0
# Nothing steers the terminal.
table steers 'item,rater,value\na\x1b[2Jb,r\x071,\x1b[31mred\na\x1b[2Jb,r2,na\xc3\xafve as long as this\n'
aggregate "$scratch/steers.csv" --method dawid-skene
table enormous 'item,rater,value\na,r1,1e300\na,r2,-1e300\nb,r1,1e300\nb,r2,5\n'
aggregate "$scratch/enormous.csv" --method alpha --level interval

table ties 'winner,loser,rater,tie\na,b,x,\na,b,x,0\nb,a,y,no\nb,c,x,TRUE\nc,b,y,\nb,c,y,\na,c,x,yes\nc,a,x,\n'
aggregate "$scratch/ties.csv" --method bradley-terry
aggregate "$scratch/ties.csv" --method bradley-terry --prior off
table selves 'winner,loser,rater\na,b,x\nb,a,x\na,a,x\n,,\n'
aggregate "$scratch/selves.csv" --method bradley-terry
aggregate "$scratch/ties.csv" --method bradley-terry --winner-column loser --loser-column winner

# The names that scripts read.
names() { python3 -c 'import json, sys
def walk(x, at):
    if isinstance(x, dict):
        for k in x: walk(x[k], at + "." + k)
    elif isinstance(x, list) and x and isinstance(x[0], dict): walk(x[0], at + "[]")
    else: print(at)
walk(json.load(sys.stdin), "")'; }
data=tests/data/ratings
for method in "alpha scale" "dawid-skene two" "mixed scale" "bradley-terry ties"; do
    # shellcheck disable=SC2086 -- two words
    set -- $method
    note "$1"
    "$LAMARCK" rate aggregate --ratings "$data-$2.csv" --method "$1" --json 2>&1 | names >>"$actual" 2>&1
done
note "standard input"
"$LAMARCK" rate aggregate --ratings - --method alpha --resamples 0 <"$data-scale.csv" 2>&1 | head -1 >>"$actual"

# What is wrong with a table is said with its line and column.
bad() { # NAME METHOD BYTES
    table "$1" "$3"
    aggregate "$scratch/$1.csv" --method "$2"
}
bad empty alpha ''
bad header alpha 'item,rater,value\n'
bad column alpha 'item,ratr,value\na,b,1\n'
bad twice alpha 'item,rater,value,item\na,b,1,c\n'
bad short alpha 'item,rater,value\na,b\n'
bad rater alpha 'item,rater,value\na,,1\n'
bad item alpha 'item,rater,value\n,b,1\n'
bad nan dawid-skene 'item,rater,value\na,b,NaN\n'
bad word mixed 'item,rater,value\na,b,1\na,c,good\n'
bad huge mixed 'item,rater,value\na,b,1e999\n'
bad unquoted alpha 'item,rater,value\na,"b,1\n'
bad utf8 alpha 'item,rater,value\na,\xff,1\n'
bad missing alpha 'item,rater,value\na,b,\n'
bad lonely alpha 'item,rater,value\na,b,1\nb,b,2\n'
bad equal alpha 'item,rater,value\na,b,1\na,c,1\n'
bad few mixed 'item,rater,value\na,b,1\na,c,2\n'
bad lonely mixed 'item,rater,value\na,b,1\nb,b,2\nc,b,3\n'
bad exact mixed 'item,rater,value\na,x,1\na,y,2\nb,x,3\nb,y,4\n'
bad same mixed 'item,rater,value\na,x,1\na,y,1\nb,x,1\n'
bad self bradley-terry 'winner,loser\na,a\n,\n'
bad tie bradley-terry 'winner,loser,tie\na,b,maybe\n'
bad alltied bradley-terry 'winner,loser,tie\na,b,1\n'
bad parts bradley-terry 'winner,loser\na,b\nb,a\nc,d\nd,c\n'
bad best bradley-terry 'winner,loser\na,b\na,c\nb,c\nc,b\n'
bad ratings bradley-terry 'item,rater,value\na,b,1\n'
aggregate "$scratch/parts.csv" --method bradley-terry --prior 0.1
aggregate "$scratch/best.csv" --method bradley-terry --prior 0.1

# One item, one rater, one category: small, but something.
table one 'item,rater,value\na,x,2\na,y,3\na,z,4\n'
aggregate "$scratch/one.csv" --method mixed
aggregate "$scratch/one.csv" --method dawid-skene
table alone 'item,rater,value\na,x,yes\nb,x,yes\n'
aggregate "$scratch/alone.csv" --method dawid-skene
finish
