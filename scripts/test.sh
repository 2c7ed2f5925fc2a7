#!/usr/bin/env bash
# test.sh [--full] [--torch] -- sets up, builds and runs every test that needs no GPU (and the GPU tests where
# there is one), the tests of ir and runtime under the address and undefined behaviour sanitizers, and
# the style check; with --full all tests under the sanitizers, those of ir and runtime under every
# rounding mode, all of it once more with Clang, the fuzz targets, ThreadSanitizer, and the API
# reference. The tests with PyTorch run where python3 has it; with --torch, or where CI is set, an
# environment with PyTorch is made for them (see torch-environment.sh); with --torch it has to be. Exit
# status 0 means all of it passed; the last line says whether PyTorch was there.
set -euo pipefail
cd "$(dirname "$0")/.."

full= with_torch=${CI:-} needs_torch=
for option in "$@"; do
  case $option in
    --full) full=1 ;;
    --torch) with_torch=1 needs_torch=1 ;;
    *) echo "usage: scripts/test.sh [--full] [--torch]" >&2 && exit 2 ;;
  esac
done

export SWAGE_UNITY=ON
scripts/setup.sh
if [ -n "$with_torch" ]; then # waits for the network, while the build does not
  torch_answer=$(mktemp)
  scripts/torch-environment.sh >"$torch_answer" &
  torch_job=$!
  trap 'kill "$torch_job" 2>/dev/null || true; rm -f "$torch_answer"' EXIT
fi
scripts/check_style.sh
scripts/build.sh release
if [ -n "$with_torch" ] && { wait "$torch_job" || { [ -n "$needs_torch" ] && exit 1; }; }; then
  cmake build/release -Wno-dev "-DSWAGE_TORCH_PYTHON=$(cat "$torch_answer")" >/dev/null
else
  cmake build/release -Wno-dev -USWAGE_TORCH_PYTHON >/dev/null # of a run before: it may be gone
fi
torch_python=$(sed -n 's/^SWAGE_TORCH_PYTHON:FILEPATH=//p' build/release/CMakeCache.txt)
ctest --preset release --parallel "$(nproc)" --no-tests=error
if [ -n "$full" ]; then
  SWAGE_TEST_SOURCE_BUILD=1 ctest --preset release --tests-regex 'the runtime from source'
  SWAGE_TEST_EVERY_OPERATOR=1 ctest --preset release --tests-regex 'python: operators of PyTorch'
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
"${torch_python:-false}" -c 'import torch; print("test.sh: the tests with PyTorch ran, with", torch.__version__)' \
  2>/dev/null || echo "test.sh: the tests with PyTorch were SKIPPED: there is no PyTorch"
