#!/usr/bin/env bash
# Times the engine on the model that ./setup fetched: a CSV line of values under one of names, the
# machine's CPU flags among them. BENCH_FLAGS goes to `lamarck bench` (such as --workload FILE --threads 1).
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build/release}
read -r -a flags <<<"${BENCH_FLAGS:-}"
"$build/lamarck" bench "${LAMARCK_MODEL:-smollm2}" --csv --repeat 3 "${flags[@]}"
