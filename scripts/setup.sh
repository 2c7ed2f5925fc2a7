#!/usr/bin/env bash
# setup.sh [PACKAGE ...] -- installs what the build and the tests need on Debian 12. Does nothing when all is there.
set -euo pipefail

packages=(
  g++ cmake ninja-build git ca-certificates
  llvm-22-dev catch2 libcli11-dev libfmt-dev nlohmann-json3-dev libtbb-dev libxxhash-dev
  libmpfr-dev clang-format python3 python3-numpy locales "$@"
)

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || {
    echo "setup.sh: these packages are missing: ${missing[*]}" >&2
    echo "setup.sh: install them as root (apt-get install ...), or install sudo, and run this again" >&2
    exit 1
  }
  as_root=(sudo)
fi
echo "setup.sh: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -q
"${as_root[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}"
