#!/bin/sh
# run-soak.sh [MINUTES [DEVICE]] -- the soak of the bundle that this file lies in; scripts/soak.sh
# calls it, too, with SWAGE_SOAK the program. Its cache is much smaller than what the kernels need, so
# that it turns over.
minutes=${1:-20}
program=${SWAGE_SOAK:-$(dirname "$0")/swage_soak}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
SWAGE_CACHE_DIR=$folder SWAGE_CACHE_MAX_SIZE=512K \
  "$program" "$(awk "BEGIN { print 60 * $minutes }")" ${2:-}
