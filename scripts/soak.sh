#!/usr/bin/env bash
# soak.sh [MINUTES [DEVICE [PRESET]]] -- kernels made, launched, tuned and dropped by eight threads
# for so long (20 by default) on a device (the default one); exit status 0 means that results were
# right and memory, descriptors, loaded code and the cache stayed flat. Runs for days as well.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${3:-release}
scripts/build.sh "$preset" swage_soak
SWAGE_SOAK=build/$preset/tests/swage_soak scripts/run-soak.sh "${1:-20}" "${2:-}"
