#!/usr/bin/env bash
# Webhooks both ways: endpoints that hang, drop, refuse and double; signatures held to Python's hmac.
set -euo pipefail
cd "$(dirname "$0")/../.."
export LAMARCK=${LAMARCK:-$PWD/build/release/lamarck}
exec python3 tests/rate_hook.py
