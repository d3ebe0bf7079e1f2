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
# shellcheck source=tests/bench_common.sh
. tests/bench_common.sh
csv=${BENCH_CSV:-experiments/results/speed.csv}
prompts=${BENCH_PROMPTS:-64} examples=${BENCH_EXAMPLES:-64} rounds=${BENCH_ROUNDS:-1}
workload=tests/data/score64.json reference=tests/data/score64_ref.json
padded_prompts=$((prompts < 8 ? prompts : 8)) # the slow way; a few prompts tell its rate
columns=date,commit,cpu,threads,program,prompts,examples,seconds,pairs_per_second,gflops,fma_peak_gflops,gemm_gflops,share_of_fma_peak,share_of_gemm,open_seconds,peak_mib,max_difference,others_percent,ours_over_this

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
        "$gflops,$fma,$gemm,$(share "$gflops" "$fma"),$(share "$gflops" "$gemm"),$(ours open_seconds),$(ours peak_mib),$(ours max_difference)"
    sed -i '$s/@$//' "$scratch/rows"
    printf '%-34s %8.2f pairs/s  %6.1f GF/s = %s of FMA peak, %s of the best GEMM; %s MiB; start %s s; others %s %%\n' \
        lamarck "$latest" "$gflops" "$(percent "$gflops" "$fma")" "$(percent "$gflops" "$gemm")" \
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
append_rows "$csv" "$columns"
