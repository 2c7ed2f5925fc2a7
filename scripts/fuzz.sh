#!/usr/bin/env bash
# fuzz.sh [SECONDS [TARGET ...]] -- builds the fuzz targets with clang and runs each for so long (20
# by default) from a corpus in build/fuzz/corpus that grows from run to run. FUZZ_RUNS=N runs each
# so many times instead; FUZZ_FAST=1 leaves the sanitizers out, for several times as many executions
# into the same corpus. Exit status 0 means that nothing was found; without clang nothing is run.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-20}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(parse safetensors cache_entry kernel_image tuning_record)

probe=$(mktemp -d)
trap 'rm -rf "$probe"' EXIT
echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' > "$probe/a.cpp"
if ! clang++ -fsanitize=fuzzer,address "$probe/a.cpp" -o "$probe/a" 2> /dev/null; then
  echo "fuzz.sh: no clang++ with libFuzzer here, nothing is fuzzed"
  exit 0
fi

build=build/fuzz
sanitize=ON
if [ -n "${FUZZ_FAST:-}" ]; then
  build=build/fuzz-fast
  sanitize=OFF
fi
cmake -S tests/fuzz -B $build -G Ninja -DCMAKE_CXX_COMPILER=clang++ -DFUZZ_SANITIZE=$sanitize \
  -Wno-dev > /dev/null
cmake --build $build --target "${targets[@]/#/fuzz_}"
python3 tests/fuzz/seeds.py build/fuzz/seeds
for target in "${targets[@]}"; do
  mkdir -p "build/fuzz/corpus/$target"
  limit=(-max_total_time="$seconds")
  [ -z "${FUZZ_RUNS:-}" ] || limit=(-runs="$FUZZ_RUNS")
  $build/fuzz_$target "${limit[@]}" -max_len=4096 -timeout=20 -rss_limit_mb=4096 \
    -print_final_stats=1 -verbosity=0 -artifact_prefix="build/fuzz/$target-" \
    "build/fuzz/corpus/$target" "build/fuzz/seeds/$target"
done
