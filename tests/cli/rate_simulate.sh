#!/usr/bin/env bash
# A simulated crowd at a server that is killed below it: no rating is lost or doubled.
set -euo pipefail
cd "$(dirname "$0")/../.."
export LAMARCK=${LAMARCK:-$PWD/build/release/lamarck}
exec python3 tests/rate_simulate.py
