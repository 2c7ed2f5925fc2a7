#!/usr/bin/env bash
# demo.sh [--shape ROWSxCOLUMNS] -- builds Swage, tunes SwiGLU on the GPU if there is one, else on the
# CPU, verifies what it launches, and ends with one table. Takes about three minutes after the build.
set -euo pipefail
cd "$(dirname "$0")/.."
shape=
[ "${1:-}" = --shape ] && shape=${2:?usage: scripts/demo.sh [--shape ROWSxCOLUMNS]}

scripts/setup.sh
SWAGE_UNITY=ON scripts/build.sh release swage_cli
swage=build/release/swage
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SWAGE_TUNING_DIR=$work/tuning

echo
$swage devices
$swage devices --json > "$work/devices.json"
device=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["devices"][0]["id"])' "$work/devices.json")
device=${SWAGE_DEVICE:-$device}

# On a CPU one shape in its cache and one in memory; on a GPU one bound by launches, one by memory.
case $device in
  cpu) shapes="${shape:-64x4096 2048x14336}" types="f32 bf16" ;;
  *) shapes="${shape:-16x14336 8192x14336}" types="bf16 f16 f32" ;;
esac
list=${shapes// /,}
for kernel in swiglu swiglu_backward_inplace; do
  for type in $types; do
    echo
    # A machine that others use too is measured all the same: this is a demonstration.
    $swage tune $kernel -D T="$type" --shapes "$list" --device "$device" --force
    for size in $shapes; do
      $swage run $kernel -D T="$type" --shape "$size" --device "$device" --verify --sample 2000000 \
        --repeat 5 --json > "$work/$kernel-$type-$size.json" || true
    done
  done
done

python3 - "$work" "$device" <<'EOF'
import glob, json, os, sys

work, device = sys.argv[1:]
devices = json.load(open(os.path.join(work, "devices.json")))["devices"]
measured = next((d.get("measured", {}) for d in devices if d["id"] == device), {})
memory = measured.get("bytes_per_second", 0)


def rate(value):
    return f"{value / 1e9:.0f}" if value >= 1e11 else f"{value / 1e9:.1f}"


rows = [("kernel", "T", "shape", "time", "GB/s", "of memory", "max ulp", "cancel", "verified")]
for path in sorted(glob.glob(os.path.join(work, "*-*-*.json")), key=os.path.getmtime):
    run = json.load(open(path))
    kernel, dtype, shape = os.path.basename(path)[:-5].split("-")
    if "error" in run:
        rows.append((kernel, dtype, shape, "-", "-", "-", "-", "-", run["error"]["message"][:40]))
        continue
    speed = run["bytes_per_second"]
    share = "in cache" if run["in_cache"] else f"{100 * speed / memory:.0f} %" if memory else "-"
    worst = max((o["max_ulp_not_admitted"] for o in run["outputs"]), key=float)
    cancelled = max(o["admitted"] / max(1, o["checked"]) for o in run["outputs"])
    time = run["seconds"]
    rows.append((kernel, dtype, shape, f"{time * 1e6:.2f} us" if time < 1e-3 else f"{time * 1e3:.3f} ms",
                 rate(speed), share, worst if isinstance(worst, str) else f"{worst:.3f}",
                 f"{100 * cancelled:.2f} %", "yes" if run["verified"] else "NO"))
widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
name = next(d["name"] for d in devices if d["id"] == device)
print(f"\nSwiGLU on {device}, {name}; memory gives {rate(memory)} GB/s ({measured.get('what', 'not measured')})\n")
for row in rows:
    cells = [c.ljust(w) if i < 3 or i == 8 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))]
    print("  ".join(cells).rstrip())
print("\nmax ulp: against exact arithmetic, over all elements but those where terms cancel (cancel), which\n"
      "are held to the stated error bounds of the operations instead")
sys.exit(any(row[8] != "yes" for row in rows[1:]))
EOF
