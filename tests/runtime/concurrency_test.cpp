// concurrency_test.cpp -- the table launches are looked up in, and values that are made once.
#include <atomic>
#include <thread>

#include "runtime/base/single_flight.hpp"
#include "runtime/launch/plan_table.hpp"
#include "runtime/launch/specialization_key.hpp"
#include "swage/error.hpp"
#include "tests/support/catch.hpp"

using namespace swage;
using namespace swage::base;
using namespace swage::launch;

namespace {

SpecializationKey key_of(int number) {
  SpecializationKey key;
  key.reset(5);
  key.set_call(true, false, false, false, number % 40);
  for (int t = 0; t < 5; ++t)
    key.set_tensor(
        t, {codegen::Layout::unit, static_cast<std::uint8_t>(number >> (3 * t) & 7), 0, false});
  return key;
}

void run_threads(int count, const std::function<void(int)>& body) {
  std::vector<std::thread> threads;
  for (int t = 0; t < count; ++t)
    threads.emplace_back(body, t);
  for (std::thread& thread : threads)
    thread.join();
}

} // namespace

TEST_CASE("a plan once inserted is found by every thread while the table grows") {
  constexpr int kKeys = 2000;
  PlanTable<SpecializationKey, int> table;
  std::atomic<int> published = 0, wrong = 0;
  run_threads(4, [&](int thread) {
    if (thread == 0) {
      for (int i = 0; i < kKeys; ++i) {
        table.insert(key_of(i), i);
        published.store(i + 1, std::memory_order_release);
      }
      return;
    }
    for (int seen = 0; seen < kKeys;) {
      seen = published.load(std::memory_order_acquire);
      for (int i = 0; i < seen; i += 17 + thread) {
        const int* plan = table.find(key_of(i));
        wrong += !plan || *plan != i;
      }
    }
  });
  CHECK(wrong == 0);
  CHECK(table.find(key_of(kKeys)) == nullptr);
}

TEST_CASE("the first of two plans for one key stays, until one replaces it") {
  PlanTable<SpecializationKey, int> table;
  CHECK(*table.insert(key_of(1), 10) == 10);
  CHECK(*table.insert(key_of(1), 20) == 10);
  const int* held = table.find(key_of(1));
  CHECK(*table.replace(key_of(1), 30) == 30);
  CHECK(*table.find(key_of(1)) == 30);
  CHECK(*held == 10); // a launch may be in it
}

TEST_CASE("many threads that ask for one value have it made once") {
  SingleFlight<int, int, std::hash<int>> values;
  std::atomic<int> made = 0, wrong = 0;
  run_threads(8, [&](int) {
    for (int key = 0; key < 50; ++key)
      wrong += *values.find_or_make(key, [&] {
        ++made;
        return std::make_shared<const int>(key);
      }) != key;
  });
  CHECK(made == 50);
  CHECK(wrong == 0);
}

TEST_CASE("a failure reaches everyone who waited, and the next one tries again") {
  SingleFlight<int, int, std::hash<int>> values;
  std::atomic<int> failed = 0, waiting = 0;
  run_threads(4, [&](int) {
    ++waiting;
    try {
      values.find_or_make(1, [&]() -> std::shared_ptr<const int> {
        while (waiting < 4)
          std::this_thread::yield();
        throw Error(ErrorCode::driver, "no");
      });
    } catch (const Error& error) {
      failed += error.code() == ErrorCode::driver;
    }
  });
  CHECK(failed == 4);
  CHECK(*values.find_or_make(1, [] { return std::make_shared<const int>(7); }) == 7);
}
