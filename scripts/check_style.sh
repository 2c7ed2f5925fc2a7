#!/usr/bin/env bash
# check_style.sh [--fix] -- holds every C and C++ file to .clang-format.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t files < <(git ls-files --cached --others --exclude-standard '*.cpp' '*.hpp' '*.c' '*.h')
if [ "${1:-}" = --fix ]; then
  clang-format -i "${files[@]}"
else
  clang-format --dry-run -Werror "${files[@]}" || {
    echo "check_style.sh: run scripts/check_style.sh --fix" >&2
    exit 1
  }
  echo "style: ${#files[@]} files match .clang-format"
fi
