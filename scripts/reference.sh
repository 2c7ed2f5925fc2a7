#!/usr/bin/env bash
# reference.sh -- the API reference of include/swage/ in build/reference/html; a warning is an error.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh doxygen
rm -rf build/reference
mkdir -p build
doxygen docs/Doxyfile
echo "reference.sh: open build/reference/html/index.html"
