// cached.cpp -- launches one kernel on a GPU; with the argument "compiles" it may be compiled, with
// "reads" it must come from the cache on disk.
#include <cstdio>
#include <cstring>

#include <swage/swage.hpp>

int main(int count, char** arguments) {
  const bool may_compile = count > 1 && std::strcmp(arguments[1], "compiles") == 0;
  try {
    const swage::Device device = swage::Device::open("cuda:0");
    swage::Buffer x = device.allocate(16), y = device.allocate(16);
    const float from[4] = {1, 2, 3, 4};
    float to[4] = {};
    x.write(from, sizeof from);
    device.kernel("kernel cached(x: in f32, y: out f32) { y = 2 * x; }", "cached")
        .launch(nullptr, {swage::Tensor(x.data(), swage::f32, {4}),
                          swage::Tensor(y.data(), swage::f32, {4})});
    device.synchronize();
    y.read(to, sizeof to);
    const swage::CacheStatistics cache = swage::cache_statistics();
    if (to[3] != 8 || (!may_compile && (cache.misses != 0 || cache.hits_disk != 1))) {
      std::fprintf(stderr, "%f, %llu misses\n", to[3],
                   static_cast<unsigned long long>(cache.misses));
      return 1;
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
