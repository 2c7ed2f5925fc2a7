#!/usr/bin/env bash
# clang.sh -- builds everything with Clang 16 or newer, with our warnings as errors, and runs all
# tests. Exit status 0 means that it passed, or that there is no such Clang here.
set -euo pipefail
cd "$(dirname "$0")/.."
for version in 22 21 20 19 18 17 16; do
  command -v "clang++-$version" > /dev/null && break
done
if ! command -v "clang++-$version" > /dev/null; then
  echo "clang.sh: no Clang 16 or newer here, nothing is built with it"
  exit 0
fi
[ -f build/clang/build.ninja ] || cmake -S . -B build/clang -G Ninja -Wno-dev \
  -DCMAKE_BUILD_TYPE=Release -DSWAGE_WERROR=ON \
  -DCMAKE_C_COMPILER="clang-$version" -DCMAKE_CXX_COMPILER="clang++-$version"
cmake --build build/clang
ctest --test-dir build/clang --parallel "$(nproc)" --no-tests=error --output-on-failure
