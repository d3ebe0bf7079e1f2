#!/usr/bin/env bash
# The rating page in a real, headless browser.
set -euo pipefail
cd "$(dirname "$0")/../.."
export LAMARCK=${LAMARCK:-$PWD/build/release/lamarck}
exec python3 tests/rate_page.py
