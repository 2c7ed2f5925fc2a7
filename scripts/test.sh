#!/usr/bin/env bash
# test.sh [--full] -- sets up, builds and runs every test that needs no GPU (and the GPU tests where
# there is one), the tests of ir and runtime under the address and undefined behaviour sanitizers
# (--full: all tests), and the style check. Exit status 0 means all of it passed.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
scripts/check_style.sh
scripts/build.sh release
ctest --preset release --parallel "$(nproc)" --no-tests=error
if [ "${1:-}" = --full ]; then
  scripts/build.sh sanitize
  ctest --preset sanitize --parallel "$(nproc)"
else
  scripts/build.sh sanitize swage_test_ir swage_test_runtime
  ctest --preset sanitize --parallel "$(nproc)" --tests-regex '^(ir|runtime):' --no-tests=error
fi
