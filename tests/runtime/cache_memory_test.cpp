// cache_memory_test.cpp -- the cache in memory: shared, counted, bounded, never pulling code from
// under whoever uses it.
#include <functional>
#include <thread>

#include "runtime/base/single_flight.hpp"
#include "swage/swage.hpp"
#include "tests/runtime/cache_support.hpp"
#include "tests/support/catch.hpp"

namespace {

using Flights = swage::base::SingleFlight<int, std::size_t, std::hash<int>>;

Flights::Pointer weighing(std::size_t bytes) {
  return std::make_shared<const std::size_t>(bytes);
}

std::size_t weight(const std::size_t& bytes) {
  return bytes;
}

// Whether `key` was still there; it is afterwards.
bool keeps(Flights& flights, int key) {
  bool made = false;
  flights.find_or_make(key, [&] {
    made = true;
    return weighing(10);
  });
  return !made;
}

} // namespace

TEST_CASE("values asked for longest ago are forgotten first, down to the count") {
  Flights flights;
  for (int key = 0; key < 10; ++key)
    keeps(flights, key);
  keeps(flights, 0);
  CHECK(flights.trim(4, 1000, weight) == 6);
  CHECK(flights.trim(4, 1000, weight) == 0);
  CHECK(keeps(flights, 0));
  CHECK(keeps(flights, 9));
  CHECK(keeps(flights, 8));
  CHECK(keeps(flights, 7));
  CHECK_FALSE(keeps(flights, 1));
}

TEST_CASE("values are forgotten down to the weight") {
  Flights flights;
  for (int key = 0; key < 10; ++key)
    keeps(flights, key);
  CHECK(flights.trim(1000, 35, weight) == 7);
  CHECK(keeps(flights, 9));
  CHECK_FALSE(keeps(flights, 6));
}

TEST_CASE("values in use, and those without weight, are never forgotten") {
  Flights flights;
  const auto used = flights.find_or_make(1, [] { return weighing(10); });
  flights.find_or_make(2, [] { return weighing(0); });
  keeps(flights, 3);
  CHECK(flights.trim(0, 0, weight) == 1);
  CHECK(keeps(flights, 1));
  CHECK(keeps(flights, 2));
  CHECK_FALSE(keeps(flights, 3));
}

TEST_CASE("a value that is being made is not forgotten") {
  Flights flights;
  const auto value = flights.find_or_make(1, [&] {
    std::thread([&] { CHECK(flights.trim(0, 0, weight) == 0); }).join();
    return weighing(10);
  });
  CHECK(*value == 10);
  CHECK(keeps(flights, 1));
}

TEST_CASE("a second handle of one kernel finds its code in memory, and the count says so") {
  const swage::Device device = swage::Device::open("cpu");
  std::vector<float> x(100, 1.0F), y(100);
  const auto launch = [&] {
    const swage::Kernel kernel =
        device.kernel("kernel counted(x: in f32, y: out f32) { y = x * 3.25; }", "counted");
    kernel.launch(nullptr, {swage::Tensor(x.data(), swage::f32, {100}),
                            swage::Tensor(y.data(), swage::f32, {100})});
  };
  const swage::CacheStatistics before = swage::cache_statistics();
  launch();
  const swage::CacheStatistics first = swage::cache_statistics();
  launch();
  const swage::CacheStatistics second = swage::cache_statistics();
  CHECK(first.misses == before.misses + 1);
  CHECK(first.hits_memory == before.hits_memory);
  CHECK(second.misses == first.misses);
  CHECK(second.hits_memory == first.hits_memory + 1);
  CHECK(y[99] == 3.25F);
}
