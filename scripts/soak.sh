#!/usr/bin/env bash
# soak.sh [MINUTES [DEVICE [PRESET]]] -- kernels made, launched, tuned and dropped by eight threads
# for so long (20 by default) on a device (the default one); exit status 0 means that results were
# right and memory, descriptors, loaded code and the cache stayed flat. Runs for days as well.
set -euo pipefail
cd "$(dirname "$0")/.."
minutes=${1:-20}
device=${2:-}
preset=${3:-release}
scripts/build.sh "$preset" swage_soak
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# A cache much smaller than what the kernels need, so that it turns over.
SWAGE_CACHE_DIR=$folder SWAGE_CACHE_MAX_SIZE=512K \
  "build/$preset/tests/swage_soak" "$(awk "BEGIN { print 60 * $minutes }")" $device
