#!/usr/bin/env bash
# Holds the arrows between folders: what each folder may include of the others.
set -euo pipefail
set -f
cd "$(dirname "$0")/.."

declare -A may=(
    [model]=''
    [prefix]='model/model.h model/base.h model/tokenizer.h'
    [evolve]='model/base.h'
    [rater]='model/model.h model/base.h model/tokenizer.h'
    [experiments]='*'
)
status=0
for folder in "${!may[@]}"; do
    for file in $(set +f; ls "$folder"/*.[ch] 2>/dev/null || true); do
        while read -r included; do
            target=${included#../}
            case "$included" in
            ../tests/*) ok=no ;;
            ../*)
                ok=no
                for allowed in ${may[$folder]}; do
                    # shellcheck disable=SC2254 -- the allowed names are patterns
                    case "$target" in $allowed) ok=yes ;; esac
                done
                ;;
            *) ok=yes ;;
            esac
            if [ $ok = no ]; then
                echo "layers: $file may not include $included" >&2
                status=1
            fi
        done < <(set -f; sed -nE 's/^ *# *include "([^"]+)".*/\1/p' "$file")
    done
done
[ $status = 0 ] && echo "layers: every include respects the arrows"
exit $status
