#!/usr/bin/env bash
# llvm.sh VERSION ... -- installs LLVM of each version (19 to 22) if it is not there, builds with it, with
# our warnings as errors, and runs the tests. For a version that no package of this machine's sources has,
# LLVM_DIR=... names the folder of its LLVMConfig.cmake.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || { echo "usage: [LLVM_DIR=...] scripts/llvm.sh VERSION ...   (19 20 21 22)" >&2; exit 2; }
for version in "$@"; do
  folder=${LLVM_DIR:-/usr/lib/llvm-$version/lib/cmake/llvm}
  [ -f "$folder/LLVMConfig.cmake" ] || scripts/setup.sh "llvm-$version-dev"
  build=build/llvm-$version
  [ -f "$build/build.ninja" ] || cmake -S . -B "$build" -G Ninja -Wno-dev \
    -DCMAKE_BUILD_TYPE=Release -DSWAGE_WERROR=ON -DLLVM_DIR="$folder"
  cmake --build "$build"
  "$build/swage" --version
  ctest --test-dir "$build" --parallel "$(nproc)" --no-tests=error --output-on-failure
done
