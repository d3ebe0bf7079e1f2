#!/usr/bin/env bash
# Holds the arrows between folders: what each folder may include of the others; and that the documents
# name files that are there.
set -euo pipefail
cd "$(dirname "$0")/.."

others='model/*.h evolve/*.h prefix/*.h rater/*.h'
declare -A may=(
    [model]=''
    [prefix]='model/model.h model/base.h model/tokenizer.h model/safetensors.h'
    [evolve]='model/base.h'
    [rater]='model/model.h model/base.h model/tokenizer.h model/safetensors.h'
    [experiments/definition]="$others"
    [experiments/store]="$others"
    [experiments/fitness]="$others experiments/definition/*.h experiments/store/*.h"
    [experiments/runs]="$others experiments/definition/*.h experiments/store/*.h experiments/fitness/*.h"
    [experiments/views]="$others experiments/definition/*.h experiments/store/*.h experiments/runs/*.h"
    [experiments/commands]="$others experiments/*/*.h"
)

allowed() { # FOLDER TARGET
    local pattern
    for pattern in ${may[$1]}; do
        # shellcheck disable=SC2053 -- the allowed names are patterns
        [[ $2 == $pattern ]] && return 0
    done
    return 1
}

status=0
files=$(ls ./*/*.[ch] experiments/*/*.[ch] 2>/dev/null | sed 's|^\./||' || true)
set -f # patterns stay patterns
for file in $files; do
    folder=$(dirname "$file")
    [ "$folder" = tests ] && continue
    if [ -z "${may[$folder]+known}" ]; then
        echo "layers: $file is in a folder that has no rule" >&2
        status=1
        continue
    fi
    while read -r included; do
        target=$(realpath -m --relative-to=. "$folder/$included")
        [ "$(dirname "$target")" = "$folder" ] && continue
        if ! allowed "$folder" "$target"; then
            echo "layers: $file may not include $included" >&2
            status=1
        fi
    done < <(sed -nE 's/^ *# *include "([^"]+)".*/\1/p' "$file")
done
for document in $(set +f; ls README.md DESIGN.md experiments/README.md 2>/dev/null); do
    for name in $(grep -oE '`[a-z0-9_/]+\.[ch]`' $document | tr -d '`'); do
        if ! grep -qE "(^|/)$name\$" <<<"$files"; then
            echo "layers: $document names $name, which is not there" >&2
            status=1
        fi
    done
done
[ $status = 0 ] && echo "layers: every include respects the arrows, every file named is there"
exit $status
