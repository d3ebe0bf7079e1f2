#!/usr/bin/env bash
# The rating page and its API: a real server, and clients that mean well or do not.
set -euo pipefail
cd "$(dirname "$0")/../.."
export LAMARCK=${LAMARCK:-$PWD/build/release/lamarck}
exec python3 tests/rate_serve.py
