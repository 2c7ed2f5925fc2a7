#!/usr/bin/env bash
# build.sh PRESET [TARGET ...] -- configures and builds one preset into build/PRESET. With SWAGE_UNITY=ON it
# is configured to compile many files together, which is fast once, not after each change.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:?usage: scripts/build.sh debug|release|sanitize [target ...]}
shift
[ -f "build/$preset/build.ninja" ] || cmake --preset "$preset" -Wno-dev -DSWAGE_WERROR=ON "-DSWAGE_UNITY=${SWAGE_UNITY:-OFF}"
cmake --build --preset "$preset" ${1:+--target "$@"}
