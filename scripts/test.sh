#!/usr/bin/env bash
# test.sh [--full] -- sets up, builds and runs every test that needs no GPU (and the GPU tests where
# there is one), the tests of ir and runtime under the address and undefined behaviour sanitizers, and
# the style check; with --full all tests under the sanitizers, those of ir and runtime under every
# rounding mode, all of it once more with Clang, the fuzz targets, ThreadSanitizer, and the API
# reference. Exit status 0 means all of it passed.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
scripts/check_style.sh
scripts/build.sh release
ctest --preset release --parallel "$(nproc)" --no-tests=error
if [ "${1:-}" = --full ]; then
  SWAGE_TEST_SOURCE_BUILD=1 ctest --preset release --tests-regex 'the runtime from source'
  scripts/fuzz.sh 20 # where there is a clang for it
  # A host program may round as it likes; CTest has run both under flushed subnormals already.
  for mode in upward downward towardzero; do
    for program in ir runtime; do
      echo "$program under rounding mode $mode"
      SWAGE_TEST_ENVIRONMENT=$mode build/release/tests/swage_test_$program
    done
  done
  scripts/build.sh sanitize
  ctest --preset sanitize --parallel "$(nproc)"
  scripts/threads.sh
  scripts/clang.sh
  scripts/reference.sh
else
  scripts/build.sh sanitize swage_test_ir swage_test_runtime
  ctest --preset sanitize --parallel "$(nproc)" --tests-regex '^(ir|runtime):' --no-tests=error
fi
