// public_api.cpp -- a program outside the project: the free functions of the C++ API are in the
// library, settings are taken before first use, and the counters count.
#include <swage/swage.hpp>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace {

int failures = 0;

void check(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "failed: %s\n", what);
    ++failures;
  }
}

} // namespace

int main() {
  check(!swage::version().empty(), "version");
  std::string log;
  swage::configure({{{"SWAGE_LOG", "info"}, {"SWAGE_CACHE_DIR", ""}, {"SWAGE_CACHE_BUNDLE", ""}},
                    [&](std::string_view line) { log.append(line); }});
  const swage::Device device = swage::Device::open("cpu");
  std::vector<float> x = {1, 2, 3}, y(3);
  {
    const swage::Kernel kernel =
        device.kernel("kernel k(x: in f32, y: out f32) { y = 2 * x; }", "k");
    kernel.launch(nullptr, {{"y", swage::Tensor(y.data(), swage::f32, {3})},
                            {"x", swage::Tensor(x.data(), swage::f32, {3})}});
    check(log.find("k for cpu") != log.npos, "the log goes to the program");
    const swage::CacheStatistics statistics = swage::cache_statistics();
    check(statistics.misses == 1, "one compile is counted");
    check(statistics.functions_loaded == 1 && statistics.bytes_loaded > 0,
          "one function is loaded");
    check(swage::unload_unused() == 0, "what a kernel refers to stays");
  }
  check(swage::unload_unused() == 1, "what no kernel refers to goes");
  check(swage::cache_statistics().functions_loaded == 0, "nothing is loaded");
  check(y[2] == 6, "the result");
  return failures;
}
