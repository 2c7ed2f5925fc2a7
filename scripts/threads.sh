#!/usr/bin/env bash
# threads.sh [SECONDS] -- ThreadSanitizer over the tests where threads meet, and over the soak for so
# long (60 by default) on the CPU. Exit status 0: no race.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
scripts/build.sh threads swage_test_threads swage_soak
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export TSAN_OPTIONS="suppressions=$PWD/tests/threads.supp halt_on_error=1 history_size=4"
export SWAGE_CACHE_DIR= SWAGE_TUNING_DIR=
build/threads/tests/swage_test_threads
SWAGE_CACHE_DIR=$folder build/threads/tests/swage_soak "$seconds" cpu
