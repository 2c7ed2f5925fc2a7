#!/usr/bin/env bash
# gpu-bundle.sh -- builds gpu-bundle/: libswage.so, the swage command, the GPU tests and the soak with LLVM
# linked statically, to be carried to a GPU machine that has a driver and nothing else.
#   there: tar xf gpu-bundle/swage.tar.xz -C /tmp && /tmp/swage/swage devices && /tmp/swage/run-tests.sh
#          /tmp/swage/run-soak.sh 5 cuda:0
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh libzstd-dev zlib1g-dev xz-utils
build=build/bundle
[ -f $build/build.ninja ] || cmake -S . -B $build -G Ninja -Wno-dev -DCMAKE_BUILD_TYPE=Release \
  -DSWAGE_LLVM_STATIC=ON -DSWAGE_BUILD_EXAMPLES=OFF \
  -DCMAKE_BUILD_RPATH='$ORIGIN' \
  -DCMAKE_SHARED_LINKER_FLAGS="-static-libstdc++ -static-libgcc" \
  -DCMAKE_EXE_LINKER_FLAGS="-static-libstdc++ -static-libgcc"
cmake --build $build --target libswage.so swage_cli swage_test_gpu swage_soak

rm -rf gpu-bundle
stage=gpu-bundle/stage/swage
mkdir -p $stage
ln -s libswage.so "$stage/$(basename $build/libswage.so.*.*.* | cut -d. -f1-4)" # as programs ask for it
cp -L $build/swage $build/libswage.so $build/tests/swage_test_gpu $build/tests/swage_soak $stage/
[ ! -d bench ] || find bench \( -name "*.py" -o -name "*.cu" \) -exec cp {} $stage/ \;
[ ! -d tests/gpu ] || find tests/gpu -name '*.py' -exec cp {} $stage/ \;
cp -rL include/swage $stage/include

# Shared libraries other than the C library's travel along.
for file in $stage/swage $stage/libswage.so $stage/swage_test_gpu $stage/swage_soak; do
  ldd "$file" | awk '$3 ~ /^\// { print $3 }'
done | sort -u | grep -Ev '/(libc|libm|libdl|libpthread|librt|ld-linux[^/]*|libswage)\.so' |
  while read -r library; do cp -L "$library" $stage/; done
strip $stage/swage $stage/libswage.so $stage/swage_test_gpu $stage/swage_soak

cat > $stage/run-tests.sh <<'EOF'
#!/bin/sh
# run-tests.sh [catch2 arguments] -- the GPU tests of this bundle.
cd "$(dirname "$0")" && exec ./swage_test_gpu "$@"
EOF
cp scripts/run-soak.sh $stage/
chmod +x $stage/run-tests.sh
tar -C gpu-bundle/stage -cJf gpu-bundle/swage.tar.xz swage
rm -rf gpu-bundle/stage
du -h gpu-bundle/swage.tar.xz
test "$(stat -c %s gpu-bundle/swage.tar.xz)" -le $((50 * 1024 * 1024))
