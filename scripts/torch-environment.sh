#!/usr/bin/env bash
# torch-environment.sh [VERSION] -- prints a Python that has PyTorch VERSION, for the tests of swage.torch. The
# environment is made once and kept below the user's cache directory. Exit status 1, and why on standard error,
# where none can be had.
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:-2.15.0}
python=$(command -v python3) || { echo "torch-environment.sh: there is no python3" >&2; exit 1; }
tag=$("$python" -c 'import sys; print("py%d.%d" % sys.version_info[:2])')
folder=${XDG_CACHE_HOME:-$HOME/.cache}/swage/torch-$version-$tag

refuse() {
  echo "torch-environment.sh: $1" >&2
  exit 1
}

works() {
  [ -x "$folder/bin/python" ] && "$folder/bin/python" -c 'import numpy, torch' 2>/dev/null
}

mkdir -p "$folder" 2>/dev/null || refuse "$folder cannot be made"
exec 9>"$folder.lock" # of runs at the same time, one makes it
flock 9
# PyTorch's compiler needs the headers of Python. Without them its tests are skipped.
"$python" -c 'import os, sysconfig
include = sysconfig.get_path("include")
raise SystemExit(not os.path.exists(os.path.join(include, "Python.h")))' ||
  scripts/setup.sh python3-dev >&2 || true
if ! works; then
  # Debian's python3 comes without what makes environments.
  "$python" -c 'import ensurepip' 2>/dev/null || scripts/setup.sh python3-venv >&2 ||
    refuse "python3-venv is missing"
  rm -rf "$folder"
  "$python" -m venv "$folder" >&2 || refuse "no environment can be made with $python"
  # 250 MB for the CPU where PyTorch's own index can be reached, 5.6 GB from PyPI.
  install() {
    timeout "$1" "$folder/bin/pip" install --quiet --disable-pip-version-check --retries 1 "${@:2}" >&2
  }
  echo "torch-environment.sh: installing PyTorch $version into $folder" >&2
  if ! install 600 --timeout 15 --index-url https://download.pytorch.org/whl/cpu \
      "torch==$version" numpy 2>/dev/null; then
    free=$(df --output=avail --block-size=1G "$folder" | tail -1)
    [ "$free" -ge 8 ] || refuse "PyTorch from PyPI takes 6 GB, and $folder has $free GB"
    install 900 "torch==$version" numpy || {
      rm -rf "$folder"
      refuse "PyTorch $version could not be installed, neither from download.pytorch.org nor from PyPI"
    }
  fi
  works || refuse "PyTorch $version was installed into $folder and cannot be imported"
fi
# What the tests of 8 and 4-bit floats are held to; they are skipped without.
"$folder/bin/python" -c 'import ml_dtypes' 2>/dev/null ||
  timeout 120 "$folder/bin/pip" install --quiet --disable-pip-version-check --retries 1 ml_dtypes >&2 || true
echo "$folder/bin/python"
