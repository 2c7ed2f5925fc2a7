// names.cpp -- kernels and parameters with names that C and C++ have for something else: both
// headers compile, behind those of the standard library, and what they name is found.
#include <cassert>
#include <climits>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include <unistd.h>

#include "names.hpp"

#include "names.h" // for C, beside the other

extern "C" int failures_in_c(const swage_device* device); // names_c.c

namespace {

int failures = 0;

/// That `kernel` adds `added` to its input.
template <class K>
void adds(const char* name, const K& kernel, float added) {
  float x = 0.5F, y = 0;
  kernel(nullptr, swage::Tensor(&x, swage::f32, {1}), swage::Tensor(&y, swage::f32, {1}));
  if (y != x + added) {
    std::fprintf(stderr, "failed: %s gives %g\n", name, static_cast<double>(y));
    ++failures;
  }
}

} // namespace

int main() {
  const swage::Device device = swage::Device::open("cpu");
  adds("handle", names::handle_(device), 1);
  adds("int", names::int_(device), 2);
  adds("main", names::main(device), 3);
  adds("device", names::device(device), 4);
  adds("launch", names::launch(device), 5);
  adds("create", names::create(device), 6);
  adds("std", names::std_(device), 7);
  adds("detail", names::detail_(device), 8);
  adds("EOF", names::EOF_(device), 9);
  adds("_Complex", names::_Complex_(device), 10);
  adds("scaled, by 1 and 2", names::scaled(device, 1, INT64_MIN), static_cast<float>(INT64_MIN));
  adds("scaled, by 1 and 3", names::scaled(device, 1, 3), 3);
  adds("scaled, of what is not finite", names::scaled(device, INFINITY, 3), INFINITY);
  float x = 0, sum = 0;
  const names::names kernel(device);
  kernel(nullptr, swage::Tensor(&x, swage::f32, {1}), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
         swage::Tensor(&sum, swage::f32, {1}));
  if (sum != 91) {
    std::fprintf(stderr, "failed: names gives %g\n", static_cast<double>(sum));
    ++failures;
  }
  swage_device* cpu = nullptr;
  if (swage_device_open("cpu", &cpu) != SWAGE_OK)
    return 1;
  failures += failures_in_c(cpu);
  swage_device_close(cpu);
  return failures == 0 ? 0 : 1;
}
