#!/usr/bin/env bash
# Mechanical Turk from the command line, against a server that checks everything and misbehaves on
# demand: the whole way, everything a user can get wrong, everything Amazon can do to us, and kills.
. "$(dirname "$0")/common"
: "${LAMARCK_BUILD:=$PWD/build/release}"
neutral() {
    sed -E -e "s|$scratch|SCRATCH|g" -e 's/127\.0\.0\.1:[0-9]+/SERVER/g' -e 's/port [0-9]+/port N/' \
        -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z/THEN/g' -e 's/[0-9]{8}T[0-9]{6}Z/THEN/g' \
        -e 's/after [0-9]+ ms/after N ms/'
}
key=AKIDEXAMPLE secret=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY
unset "${!AWS_@}"
export HOME=$scratch AWS_MAX_ATTEMPTS=6 PYTHONDONTWRITEBYTECODE=1

python3 tests/mturk_server.py "$scratch/port" 2>"$scratch/server.err" &
server=$!
trap 'kill $server 2>/dev/null; rm -rf "$scratch"' EXIT
for _ in $(seq 200); do [ -s "$scratch/port" ] && break; sleep 0.05; done
port=$(cat "$scratch/port")
# What the server is told, and which numbers of its answer are recorded.
control() {
    local wish=$1 answer name
    shift
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf 'POST /control HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s' "${#wish}" "$wish" >&3
    answer=$(cat <&3)
    exec 3<&-
    for name in "$@"; do
        printf '%s %s\n' "$name" "$(grep -oE "\"$name\": [0-9]+" <<<"$answer" | grep -oE '[0-9]+$')" >>"$actual"
    done
}
ledger() { note "server"; control '{"do": "ledger"}' hits twice assignments paid paid_twice rejected liability_cents peak_cents "$@"; }
make_run() { # NAME TASKS WANTED
    mkdir "$scratch/$1" && "$LAMARCK_BUILD/tests/test_mturk" make "$scratch/$1/lamarck.sqlite" "$2" "$3"
}
turk() { run rate mturk "$@"; }
make_run run 6 3
r=$scratch/run

note "command lines"
turk
turk pots
turk post "$r"
turk post "$r" --reward 5
turk post "$r" --reward 5 --cap 0
turk post "$r" --reward 0 --cap 100
turk post "$r" --reward 5 --cap 100 --countries usa
turk post "$r" --reward 5 --cap 100 --page http://example.org
turk post "$r" --reward 5 --cap 100 --title ''
turk approve "$r" --reject all
turk approve "$r" --reject unusable
turk status "$scratch"
turk balance "$r"

note "keys"
turk balance
AWS_ACCESS_KEY_ID=$key turk balance
AWS_SECRET_ACCESS_KEY=$secret turk balance
AWS_ACCESS_KEY_ID='a b' AWS_SECRET_ACCESS_KEY=$secret turk balance
mkdir "$scratch/.aws"
export AWS_ENDPOINT_URL_MTURK=http://127.0.0.1:$port
printf '# mine\n[default]\naws_access_key_id = %s\naws_secret_access_key=%s\nregion = eu-west-1\n\n[profile half]\naws_access_key_id = x\n[broken]\nwhat\n' \
    "$key" "$secret" >"$scratch/.aws/credentials"
turk balance
AWS_PROFILE=half turk balance
AWS_PROFILE=nobody turk balance
AWS_PROFILE=broken turk balance
AWS_SHARED_CREDENTIALS_FILE=$scratch/none turk balance
AWS_PROFILE=half AWS_ACCESS_KEY_ID=$key AWS_SECRET_ACCESS_KEY=$secret turk balance --json
AWS_ENDPOINT_URL_MTURK='' AWS_ENDPOINT_URL=http://127.0.0.1:$port turk balance --production
AWS_ENDPOINT_URL_MTURK=ftp://x turk balance
AWS_MAX_ATTEMPTS=0 turk balance
AWS_MAX_ATTEMPTS=2 AWS_ENDPOINT_URL_MTURK=http://127.0.0.1:9 turk balance

note "what Amazon says to wrong keys and clocks"
AWS_ACCESS_KEY_ID=other AWS_SECRET_ACCESS_KEY=$secret turk balance
AWS_ACCESS_KEY_ID=$key AWS_SECRET_ACCESS_KEY=wrongsecret turk balance
control '{"do": "set", "session_token": "session/secret"}'
AWS_ACCESS_KEY_ID=$key AWS_SECRET_ACCESS_KEY=$secret AWS_SESSION_TOKEN=session/secret turk balance
AWS_ACCESS_KEY_ID=$key AWS_SECRET_ACCESS_KEY=wrongsecret AWS_SESSION_TOKEN=session/secret turk balance
turk balance
control '{"do": "set", "session_token": null, "clock": 1000}'
turk balance
control '{"do": "set", "clock": -1000}'
turk balance
control '{"do": "set", "clock": 0}'

note "the whole way"
turk status "$r"
turk post "$r" --reward 5 --cap 80 --dry-run
turk post "$r" --reward 5
turk post "$r" --reward 5 --cap 80
turk post "$r" --reward 5 --max-hits 1
turk post "$r" --reward 5 --cap 50
turk post "$r" --reward 5 --cap 100 --max-hits 1 --json
control '{"do": "answer", "n": 7}' done
turk collect "$r"
turk collect "$r" --json
turk approve "$r"
turk approve "$r" --json
turk status "$r" --json
turk expire "$r"
turk collect "$r"
turk expire "$r" --delete
turk status "$r"
ledger disposed

note "everything that can go wrong in between"
make_run storm 4 2
control '{"do": "set", "page": 2, "faults": ["throttle", "terse", "500", "before", "503", "after", "slow", "garbage"]}'
turk post "$scratch/storm" --reward 20 --cap 1000 --max-hits 3
turk post "$scratch/storm" --reward 20
turk post "$scratch/storm" --reward 20
AWS_MAX_ATTEMPTS=1
control '{"do": "answer", "n": 5}' done
control '{"do": "set", "faults": [null, "after"]}'
turk collect "$scratch/storm"
turk collect "$scratch/storm"
control '{"do": "set", "faults": ["after"]}'
turk approve "$scratch/storm"
turk approve "$scratch/storm"
make_run lost 1 2
control '{"do": "set", "faults": ["after"]}'
turk post "$scratch/lost" --reward 20 --cap 100
turk status "$scratch/lost"
turk collect "$scratch/lost"
control '{"do": "lose"}'
turk collect "$scratch/lost"
make_run before 1 2
control '{"do": "set", "faults": ["before"]}'
turk post "$scratch/before" --reward 20 --cap 100
turk post "$scratch/before" --reward 20
AWS_MAX_ATTEMPTS=6
ledger

note "no money"
make_run poor 2 2
control '{"do": "set", "balance": 0}'
turk post "$scratch/poor" --reward 20 --cap 1000
turk status "$scratch/poor"
control '{"do": "set", "balance": 1000000}'
turk post "$scratch/poor" --reward 20

note "no money for what a killed command had asked for: nothing that holds up the pay of others"
make_run broke 2 1
turk post "$scratch/broke" --reward 20 --cap 1000 --max-hits 1
control '{"do": "answer", "n": 1, "newest": true}' done
turk collect "$scratch/broke"
control '{"do": "set", "faults": ["before"]}'
AWS_MAX_ATTEMPTS=1 turk post "$scratch/broke" --reward 20
control '{"do": "set", "balance": 0}'
turk approve "$scratch/broke"
turk status "$scratch/broke"
control '{"do": "set", "balance": 1000000}'
turk post "$scratch/broke" --reward 20

note "answers of no use, and a rule that somebody asked for"
make_run odd 5 2
turk post "$scratch/odd" --reward 2 --cap 1000 --assignments 1
control '{"do": "answer", "n": 100, "change": {"answer": "<script>"}}' done
turk collect "$scratch/odd"
turk approve "$scratch/odd"
turk post "$scratch/odd" --reward 2
control '{"do": "answer", "n": 3, "change": {"task": "0000"}}' done
control '{"do": "raw", "answer": "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><QuestionFormAnswers>&x;</QuestionFormAnswers>"}'
control '{"do": "raw", "answer": "no XML"}'
turk collect "$scratch/odd"
turk approve "$scratch/odd" --reject excluded --feedback "Your answers contradict each other."
turk post "$scratch/odd" --reward 2
control '{"do": "raw", "answer": ""}'
turk collect "$scratch/odd"
turk approve "$scratch/odd" --reject unusable --feedback "The form came empty."
turk status "$scratch/odd"

note "paid by Amazon itself"
control '{"do": "answer", "n": 2}' done
turk collect "$scratch/odd"
control '{"do": "auto_approve"}'
turk approve "$scratch/odd"
ledger

note "a crowd that was closed meanwhile: kept as late, and paid"
make_run late 1 2
turk post "$scratch/late" --reward 2 --cap 100
control '{"do": "answer", "n": 2, "newest": true}' done
run_quietly rate rules "$scratch/late" --closed
turk collect "$scratch/late"
turk approve "$scratch/late"

note "one that Amazon will not pay: the others do not wait for it"
make_run stuck 1 3
turk post "$scratch/stuck" --reward 2 --cap 100
control '{"do": "answer", "n": 3, "newest": true}' done
turk collect "$scratch/stuck"
control '{"do": "stick", "n": -3}'
turk approve "$scratch/stuck"
control '{"do": "stick", "n": 0}'
turk approve "$scratch/stuck"

note "our own page"
make_run page 1 5
turk post "$scratch/page" --reward 5 --cap 100 --page https://rate.example.org --countries US,GB --min-approved 95 --masters
"$LAMARCK" rate serve "$scratch/page" --mturk --port 0 >"$scratch/served" 2>&1 &
page=$!
trap 'kill $server $page 2>/dev/null; rm -rf "$scratch"' EXIT
for _ in $(seq 200); do [ -s "$scratch/served" ] && break; sleep 0.05; done
control "{\"do\": \"browse\", \"page\": \"$(head -1 "$scratch/served")\", \"site\": \"http://127.0.0.1:$port\", \"worker\": \"AWORKER0\"}"
kill $page
turk collect "$scratch/page"
token=$(sqlite3 "$scratch/page/lamarck.sqlite" "SELECT token FROM crowd_assignment")
for answer in "{\"token\": \"$token\", \"answer\": \"0\"}" '{"token": "unknown", "answer": "0"}' '{"answer": "0"}'; do
    control "{\"do\": \"answer\", \"n\": 1, \"newest\": true, \"change\": $answer}" done # none was on our page
done
control "{\"do\": \"answer\", \"n\": 1, \"newest\": true, \"worker\": \"AWORKER0\", \"change\": {\"token\": \"$token\"}}" done
turk collect "$scratch/page"
sqlite3 "$scratch/page/lamarck.sqlite" "SELECT rating FROM mturk_assignment" >>"$actual"

note "production"
make_run real 2 2
turk post "$scratch/real" --reward 5 --cap 100 --production
turk post "$scratch/real" --reward 5 --cap 100 --production --yes
turk collect "$scratch/real"
turk status "$scratch/real" --production

note "every operation was used, with bodies like botocore's"
control '{"do": "ledger"}' operations unlike_botocore

note "no secret was ever printed or kept"
grep -rlE "$secret|wrongsecret|session/secret" "$scratch" --exclude-dir=.aws | neutral >>"$actual"
grep -c . "$scratch/server.err" >>"$actual"
kill $server

note "killed at random"
python3 tests/mturk_kill.py "$LAMARCK" "$LAMARCK_BUILD/tests/test_mturk" 25 1 >>"$actual" 2>&1

note "a HIT refused to one process while another asks for it"
python3 tests/mturk_race.py "$LAMARCK" "$LAMARCK_BUILD/tests/test_mturk" >>"$actual" 2>&1
finish
