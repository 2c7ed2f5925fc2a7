#!/usr/bin/env bash
# build.sh PRESET [TARGET ...] -- configures and builds one preset into build/PRESET.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:?usage: scripts/build.sh debug|release|sanitize [target ...]}
shift
[ -f "build/$preset/build.ninja" ] || cmake --preset "$preset" -Wno-dev -DSWAGE_WERROR=ON
cmake --build --preset "$preset" ${1:+--target "$@"}
