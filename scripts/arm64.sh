#!/usr/bin/env bash
# arm64.sh [--install] -- the runtime and programs that carry kernels, cross-compiled for AArch64 with
# kernels that this machine's `swage build` makes, run under qemu and compared with this machine's
# results bit for bit. Exit status 0 means equal, or that a tool is missing; --install gets the tools
# (Debian, as root). Outside CI: the runtime is built once more.
set -euo pipefail
cd "$(dirname "$0")/.."
packages=(g++-aarch64-linux-gnu qemu-user-static libtbb-dev:arm64 libfmt-dev:arm64)
if [ "${1-}" = --install ]; then
  dpkg --add-architecture arm64
  apt-get update -qq
  apt-get install -y --no-install-recommends "${packages[@]}"
fi
if [ "$(uname -m)" != x86_64 ]; then
  echo "arm64.sh: compares AArch64 with x86-64, and this machine is not of the latter"
  exit 0
fi
for tool in aarch64-linux-gnu-g++ qemu-aarch64-static; do
  command -v "$tool" > /dev/null ||
    { echo "arm64.sh: no $tool here, nothing is run; --install gets it"; exit 0; }
done
for library in tbb fmt; do
  [ -e "/usr/lib/aarch64-linux-gnu/lib$library.so" ] ||
    { echo "arm64.sh: no lib$library for arm64 here, nothing is run; --install gets it"; exit 0; }
done

here=build/release there=build/arm64
scripts/build.sh release swage_cli swage_test_spread
cross=(-G Ninja -Wno-dev -DCMAKE_BUILD_TYPE=Release
  "-DCMAKE_TOOLCHAIN_FILE=$PWD/cmake/aarch64-linux-gnu.cmake")
[ -f $there/build.ninja ] || cmake -S . -B $there "${cross[@]}" -DSWAGE_WERROR=ON \
  -DSWAGE_BUILD_{COMPILER,TESTS,CLI,EXAMPLES,BENCH}=OFF
cmake --build $there
cmake --install $there --prefix $there/prefix > /dev/null
# As one who ships an engine would: an installed runtime, and the command of this machine.
cross+=("-DCMAKE_PREFIX_PATH=$PWD/$there/prefix" "-DSWAGE_COMMAND=$PWD/$here/swage")
cmake -S examples/engine -B $there/engine "${cross[@]}" > /dev/null
cmake --build $there/engine
cmake -S examples/engine -B $there/engine_static "${cross[@]}" -DENGINE_STATIC=ON > /dev/null
cmake --build $there/engine_static
cmake -S tests/shipped/spread -B $there/spread "${cross[@]}" > /dev/null
cmake --build $there/spread

export SWAGE_CACHE_DIR='' SWAGE_TUNING_DIR=''
qemu-aarch64-static $there/engine/engine
qemu-aarch64-static $there/engine_static/engine
$here/tests/shipped/spread/swage_test_spread tests/shipped/spread > $there/x86-64.txt
qemu-aarch64-static $there/spread/swage_test_spread tests/shipped/spread > $there/aarch64.txt
diff $there/x86-64.txt $there/aarch64.txt
# Texts read and kernels made while the program rounds upwards and flushes subnormals, too.
SWAGE_TEST_ENVIRONMENT=upward,ftz qemu-aarch64-static $there/spread/swage_test_spread \
  tests/shipped/spread > $there/aarch64-foreign.txt
diff $there/x86-64.txt $there/aarch64-foreign.txt
# Results that are all alike would be equal everywhere.
different=$(cut -d ' ' -f 3 $there/x86-64.txt | sort -u | wc -l)
total=$(grep -c . $there/x86-64.txt)
[ "$different" -gt $((total * 9 / 10)) ]
echo "arm64.sh: $(tail -n 1 $there/x86-64.txt): equal bits on x86-64 and AArch64"
