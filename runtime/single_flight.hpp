// single_flight.hpp -- a map whose values are made once, however many threads ask.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace swage::runtime {

/// Key to shared, immutable value. Thread safe.
template <typename Key, typename Value, typename Hash>
class SingleFlight {
public:
  using Pointer = std::shared_ptr<const Value>;

  /// The value of `key`, made by `make` if there is none. Threads that ask while it is being made
  /// wait for it. What `make` throws is thrown to all of them and not kept.
  Pointer find_or_make(const Key& key, const std::function<Pointer()>& make) {
    std::unique_lock lock(mutex_);
    auto [place, is_first] = flights_.try_emplace(key);
    if (is_first)
      place->second = std::make_shared<Flight>();
    const std::shared_ptr<Flight> flight = place->second;
    if (!is_first)
      return wait(*flight, lock);
    lock.unlock();
    try {
      finish(*flight, make(), nullptr);
    } catch (...) {
      lock.lock();
      flights_.erase(key);
      lock.unlock();
      finish(*flight, nullptr, std::current_exception());
      throw;
    }
    return flight->value;
  }

private:
  struct Flight {
    bool done = false;
    Pointer value;
    std::exception_ptr error;
  };

  Pointer wait(Flight& flight, std::unique_lock<std::mutex>& lock) {
    landed_.wait(lock, [&] { return flight.done; });
    if (flight.error)
      std::rethrow_exception(flight.error);
    return flight.value;
  }

  void finish(Flight& flight, Pointer value, std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    flight.value = std::move(value);
    flight.error = std::move(error);
    flight.done = true;
    landed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable landed_;
  std::unordered_map<Key, std::shared_ptr<Flight>, Hash> flights_;
};

} // namespace swage::runtime
