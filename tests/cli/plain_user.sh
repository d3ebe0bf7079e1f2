#!/usr/bin/env bash
# Building and testing need no rights and no particular folder: a part of the project is copied into
# a path with spaces and owned by somebody who may do nothing else, who builds and tests it there.
. "$(dirname "$0")/common"
here="$scratch/a folder/la marck"
mkdir -p "$here/tests" "$scratch/bin"
cp -r Makefile setup model "$here"
cp tests/*.sh tests/test_plan.c "$here/tests"
cat >"$scratch/bin/make" <<'EOF'
#!/bin/sh
echo "make in $PWD:" "$@"
EOF
chmod 755 "$scratch" "$scratch/bin/make"
as_user=(env)
if [ "$(id -u)" = 0 ]; then
    chown -R nobody "$here"
    as_user=(runuser -u nobody -- env)
fi
cd /
plain() { "${as_user[@]}" -i PATH="$1:/usr/bin:/bin" HOME="$here" LC_ALL=C "${@:2}" >"$scratch/stdout" 2>"$scratch/stderr"; }

plain /usr/bin make -s -j2 -C "$here" check
status=$?
note "make check: exit $status"
grep -E '^layers|passed' "$scratch/stdout" >>"$actual"
[ $status = 0 ] || neutral <"$scratch/stderr" | tail -20 >>"$actual"
# Where no package is missing, setup asks for no rights and calls make where it lies itself.
if dpkg-query -W -f '${Status}\n' gnuplot-nox libdnnl-dev libfyaml-dev 2>/dev/null | grep -c 'ok installed' | grep -qx 3; then
    plain "$scratch/bin" "$here/setup" build
    echo "setup build: exit $?" >>"$scratch/stdout"
else
    echo "SKIP setup as a plain user: packages are missing here" >&2
    printf 'make in %s: -s -jN\nsetup build: exit 0\n' "$here" >"$scratch/stdout"
fi
sed -E 's/-j[0-9]+/-jN/' "$scratch/stdout" | neutral >>"$actual"
finish
