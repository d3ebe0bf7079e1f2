# What the benchmarks have in common; sourced by bench_*.sh from the repository's root.
# shellcheck shell=bash disable=SC2034
program=${BUILD:-build/release}/lamarck
model=${LAMARCK_MODEL:-${XDG_CACHE_HOME:-$HOME/.cache}/lamarck/SmolLM2-135M-Instruct-Q4_1.gguf}
threads=$(nproc)
[ -s "$model" ] || { echo "no model at $model: run ./setup model, or set LAMARCK_MODEL" >&2; exit 1; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
git diff --quiet HEAD 2>/dev/null || commit=$commit+
cpu=$(awk -F': ' '/^model name/ && !n { n = $2 }
    /^flags/ && !f { split($2, a, " "); for (i in a) has[a[i]] = 1; f = 1 }
    END { printf "%s;", n
          k = split("avx2 fma f16c avx512f avx512bw avx512_vnni avx512_bf16 amx_int8", want, " ")
          for (i = 1; i <= k; i++) if (want[i] in has) printf " %s", want[i] }' /proc/cpuinfo)

busy_ticks() { awk '/^cpu /{ print $2 + $3 + $4 + $7 + $8 }' /proc/stat; }

# Run a command; its output goes to $scratch/out, others_percent says what it shared the
# machine with.
observe() {
    local before after times
    before=$(busy_ticks)
    TIMEFORMAT='%R %U %S'
    times=$({ time "$@" >"$scratch/out" 2>"$scratch/err"; } 2>&1) ||
        { cat "$scratch/err" >&2; echo "failed: $*" >&2; exit 1; }
    after=$(busy_ticks)
    others_percent=$(awk -v t="$times" -v ticks=$((after - before)) -v hz="$(getconf CLK_TCK)" \
        -v n="$threads" 'BEGIN { split(t, v, " ")
            o = (ticks / hz - v[2] - v[3]) / (v[1] * n); printf "%.0f", (o > 0 ? 100 * o : 0) }')
}

# The named column of the CSV line that `lamarck bench --csv` printed into $scratch/ours.
ours() {
    awk -v want="$1" 'NR == 1 { n = split($0, name, ",") }
        NR == 2 { # cells with commas are quoted; cut at commas outside quotes
            k = 1; cell = ""; quoted = 0
            for (i = 1; i <= length($0) + 1; i++) {
                c = i > length($0) ? "," : substr($0, i, 1)
                if (c == "\"") quoted = !quoted
                else if (c == "," && (!quoted || i > length($0))) { v[name[k++]] = cell; cell = "" }
                else cell = cell c
            }
            print v[want] }' "$scratch/ours"
}

share() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", a / b }'; }
percent() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.0f %%", 100 * a / b }'; }

# Move $scratch/rows to the end of the file $1, under the columns $2 where it is new.
append_rows() {
    mkdir -p "$(dirname "$1")"
    [ -s "$1" ] || echo "$2" >"$1"
    cat "$scratch/rows" >>"$1"
    : >"$scratch/rows"
    echo "appended to $1"
}
