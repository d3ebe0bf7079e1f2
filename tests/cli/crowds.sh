#!/usr/bin/env bash
# Aggregation of what real people answered, held to independent programs.
set -euo pipefail
cd "$(dirname "$0")/../.."
export LAMARCK=${LAMARCK:-$PWD/build/release/lamarck}
exec python3 tests/crowds.py
