#!/usr/bin/env bash
# test.sh -- sets up, builds and runs every test that needs no GPU (and the GPU tests where there is
# one), the sanitizer build, and the style check. Exit status 0 means all of it passed.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
scripts/check_style.sh
scripts/build.sh release
ctest --preset release --parallel "$(nproc)"
scripts/build.sh sanitize
ctest --preset sanitize --parallel "$(nproc)"
