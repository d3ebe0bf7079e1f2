#!/usr/bin/env bash
# Times steps of prompt and prefix tuning (16 rows of 32 to 64 tokens, all targets, AdamW), and,
# where it is named, PEFT in the same session, alternating: ours, PEFT, ours.
#
#   LAMARCK_PEER_PYTHON="PYTHON HF_FOLDER TOKENIZER.json"        PEFT
#   LAMARCK_MODEL=FILE.gguf   BENCH_ROUNDS=1
#
# Every timing becomes a row of BENCH_TRAINING_CSV (default experiments/results/training.csv).
# peer_over_ours is the peer's seconds per step over the mean of ours before and after.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/bench_common.sh
. tests/bench_common.sh
csv=${BENCH_TRAINING_CSV:-experiments/results/training.csv}
rounds=${BENCH_ROUNDS:-1}
columns=date,commit,cpu,threads,program,method,virtual_tokens,seconds_per_step,least,most,gflops,fma_peak_gflops,gemm_gflops,share_of_fma_peak,share_of_gemm,peak_mib,others_percent,peer_over_ours

row() { # PROGRAM METHOD VIRTUAL and the cells from seconds_per_step to peak_mib, RATIO
    printf '%s,%s,"%s",%s,"%s",%s,%s,%s,%s,%s\n' "$(date -u +%FT%TZ)" "$commit" "$cpu" "$threads" \
        "$1" "$2" "$3" "$4" "$others_percent" "$5" >>"$scratch/rows"
}

time_ours() { # METHOD VIRTUAL; sets `latest`, seconds per step
    observe "$program" bench "$model" --train "$1" --virtual "$2" --csv
    cp "$scratch/out" "$scratch/ours"
    latest=$(ours seconds_per_step)
    local gflops fma gemm
    gflops=$(ours gflops) fma=$(ours fma_peak_gflops) gemm=$(ours gemm_gflops)
    row "lamarck $(ours backend)" "$1" "$2" \
        "$latest,$(ours least),$(ours most),$gflops,$fma,$gemm,$(share "$gflops" "$fma"),$(share "$gflops" "$gemm"),$(ours peak_mib)" ""
    printf 'lamarck  %-6s %4d virtual  %7.3f s/step  %6.1f GF/s = %s of FMA peak, %s of the best GEMM; %s MiB; others %s %%\n' \
        "$1" "$2" "$latest" "$gflops" "$(percent "$gflops" "$fma")" "$(percent "$gflops" "$gemm")" \
        "$(ours peak_mib)" "$others_percent"
}

time_peft() { # METHOD VIRTUAL; ours was timed just before, and is again after
    local python folder before=$latest seconds least most peak others cells
    read -r python folder _ <<<"$LAMARCK_PEER_PYTHON"
    observe "$python" experiments/peers/train_peft.py "$folder" --method "$1" --virtual "$2" \
        --threads "$threads"
    read -r _ seconds _ least _ most _ peak < <(grep '^seconds_per_step ' "$scratch/out")
    cells=$seconds,$least,$most,,,,,,$peak others=$others_percent
    time_ours "$1" "$2"
    local ratio
    ratio=$(awk -v a="$before" -v b="$latest" -v p="$seconds" 'BEGIN { printf "%.3f", 2 * p / (a + b) }')
    others_percent=$others
    row "PEFT f32" "$1" "$2" "$cells" "$ratio"
    printf 'PEFT     %-6s %4d virtual  %7.3f s/step: %s times ours; %s MiB; others %s %%\n' "$1" "$2" \
        "$seconds" "$ratio" "$peak" "$others"
}

for ((round = 0; round < rounds; round++)); do
    for what in "prompt 20" "prefix 20" "prompt 100"; do
        read -r method n_virtual <<<"$what"
        time_ours "$method" "$n_virtual"
        [ -z "${LAMARCK_PEER_PYTHON:-}" ] || time_peft "$method" "$n_virtual"
        append_rows "$csv" "$columns" # what is measured stays, should the rest be stopped
    done
done
