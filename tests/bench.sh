#!/usr/bin/env bash
# Times the engine on score64 (64 mutants of one prompt x 64 examples, tests/data), and, where
# they are named, peers in the same session, alternating: ours, peer, ours, peer, ours.
#
#   LAMARCK_PEER_LLAMA="SCORE_LLAMA MODEL-f16.gguf"              llama.cpp, 16 and 32 sequences
#   LAMARCK_PEER_PYTHON="PYTHON HF_FOLDER TOKENIZER.json"        transformers: reuse, padded
#   LAMARCK_MODEL=FILE.gguf   BENCH_PROMPTS=64   BENCH_EXAMPLES=64   BENCH_ROUNDS=1
#
# experiments/peers/README.md says how to set the peers up. Every timing becomes a row of
# BENCH_CSV (default experiments/results/speed.csv), with how busy others kept the machine:
# a row with more than a few per cent there says little. ours_over_this is our pairs per second,
# the mean of the timing before and the one after, over the peer's.
set -euo pipefail
cd "$(dirname "$0")/.."
program=${BUILD:-build/release}/lamarck
model=${LAMARCK_MODEL:-${XDG_CACHE_HOME:-$HOME/.cache}/lamarck/SmolLM2-135M-Instruct-Q4_1.gguf}
csv=${BENCH_CSV:-experiments/results/speed.csv}
prompts=${BENCH_PROMPTS:-64} examples=${BENCH_EXAMPLES:-64} rounds=${BENCH_ROUNDS:-1}
threads=$(nproc)
workload=tests/data/score64.json reference=tests/data/score64_ref.json
padded_prompts=$((prompts < 8 ? prompts : 8)) # the slow way; a few prompts tell its rate
[ -s "$model" ] || { echo "no model at $model: run ./setup model, or set LAMARCK_MODEL" >&2; exit 1; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
columns=date,commit,cpu,threads,program,prompts,examples,seconds,pairs_per_second,gflops,fma_peak_gflops,gemm_gflops,share_of_fma_peak,share_of_gemm,open_seconds,peak_mib,max_difference,others_percent,ours_over_this
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

# The named column of the CSV line that `lamarck bench --csv` printed.
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

# program prompts seconds pairs/s and what only we know, as one row. The last cell is filled in
# when the next timing of ours is there.
row() {
    printf '%s,%s,"%s",%s,"%s",%s,%s,%s,%s,%s,%s,%s\n' "$(date -u +%FT%TZ)" "$commit" "$cpu" \
        "$threads" "$1" "$2" "$examples" "$3" "$4" "$5" "$others_percent" "@" >>"$scratch/rows"
}

time_ours() {
    observe "$program" bench "$model" --workload $workload --reference $reference \
        --prompts "$prompts" --examples "$examples" --csv
    cp "$scratch/out" "$scratch/ours"
    previous=${latest:-}
    latest=$(ours pairs_per_second)
    local gflops fma gemm
    gflops=$(ours gflops) fma=$(ours fma_peak_gflops) gemm=$(ours gemm_gflops)
    row "lamarck $(ours backend)" "$prompts" "$(ours seconds)" "$latest" \
        "$gflops,$fma,$gemm,$(awk -v a="$gflops" -v b="$fma" -v c="$gemm" \
            'BEGIN { printf "%.3f,%.3f", a / b, a / c }'),$(ours open_seconds),$(ours peak_mib),$(ours max_difference)"
    sed -i '$s/@$//' "$scratch/rows"
    printf '%-34s %8.2f pairs/s  %6.1f GF/s = %.0f %% of FMA peak, %.0f %% of the best GEMM; %s MiB; start %s s; others %s %%\n' \
        lamarck "$latest" "$gflops" "$(awk -v a="$gflops" -v b="$fma" 'BEGIN { print 100 * a / b }')" \
        "$(awk -v a="$gflops" -v b="$gemm" 'BEGIN { print 100 * a / b }')" \
        "$(ours peak_mib)" "$(ours open_seconds)" "$others_percent"
    if [ -n "$previous" ] && grep -q '@$' "$scratch/rows"; then
        local peer ratio
        peer=$(awk -F, '/@$/ { print $(NF - 10) }' "$scratch/rows")
        ratio=$(awk -v a="$previous" -v b="$latest" -v p="$peer" 'BEGIN { printf "%.3f", (a + b) / 2 / p }')
        sed -i "s/@\$/$ratio/" "$scratch/rows"
        printf '%-34s %8.2f pairs/s: ours is %s times that; others %s %%\n' "$peer_name" "$peer" \
            "$ratio" "$peer_others"
    fi
}

time_peer() { # NAME PROMPTS COMMAND...
    peer_name=$1
    observe "${@:3}"
    peer_others=$others_percent
    local pairs seconds
    read -r _ pairs _ seconds < <(grep '^pairs ' "$scratch/out")
    row "$peer_name" "$2" "$seconds" \
        "$(awk -v n="$pairs" -v s="$seconds" 'BEGIN { printf "%.3f", n / s }')" ",,,,,,,"
    time_ours
}

time_ours
for ((round = 0; round < rounds; round++)); do
    if [ -n "${LAMARCK_PEER_LLAMA:-}" ]; then
        read -r score_llama f16 <<<"$LAMARCK_PEER_LLAMA"
        for sequences in 16 32; do
            time_peer "llama.cpp f16 $sequences sequences" "$prompts" "$score_llama" "$f16" $workload \
                $sequences "$threads" "$prompts" "$examples"
        done
    fi
    if [ -n "${LAMARCK_PEER_PYTHON:-}" ]; then
        read -r python folder tokenizer <<<"$LAMARCK_PEER_PYTHON"
        for mode in reuse padded; do
            n=$prompts
            [ $mode = reuse ] || n=$padded_prompts
            time_peer "transformers f32 $mode" "$n" "$python" experiments/peers/score_transformers.py \
                "$folder" $workload --tokenizer "$tokenizer" --mode $mode --threads "$threads" \
                --prompts "$n" --examples "$examples"
        done
    fi
done
mkdir -p "$(dirname "$csv")"
[ -s "$csv" ] || echo "$columns" >"$csv"
cat "$scratch/rows" >>"$csv"
echo "appended to $csv"
