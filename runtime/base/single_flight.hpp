// single_flight.hpp -- a map whose values are made once, however many threads ask.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace swage::base {

/// Key to shared, immutable value. Thread safe.
template <typename Key, typename Value, typename Hash>
class SingleFlight {
public:
  using Pointer = std::shared_ptr<const Value>;

  /// The value of `key`, made by `make` if there is none. Threads that ask while it is being made
  /// wait for it. What `make` throws is thrown to all of them and not kept.
  Pointer find_or_make(const Key& key, const std::function<Pointer()>& make) {
    std::unique_lock lock(mutex_);
    auto place = flights_.find(key);
    const bool is_first = place == flights_.end();
    if (is_first)
      place = flights_.emplace(key, std::make_shared<Flight>()).first;
    const std::shared_ptr<Flight> flight = place->second;
    flight->last_asked = ++asked_;
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

  /// Forgets values that nobody else holds, the one asked for longest ago first, until at most
  /// `count` are left and their weights sum to at most `limit`. A value of weight zero stays and
  /// does not count. Gives how many went.
  template <typename Weight>
  std::size_t trim(std::size_t count, std::size_t limit, Weight weight) {
    std::vector<std::shared_ptr<Flight>> dropped; // destroyed without the lock
    const std::lock_guard lock(mutex_);
    std::size_t entries = 0, total = 0;
    std::map<std::uint64_t, typename Flights::iterator> idle;
    for (auto place = flights_.begin(); place != flights_.end(); ++place) {
      const Flight& flight = *place->second;
      const std::size_t own = flight.done && flight.value ? weight(*flight.value) : 0;
      if (own == 0)
        continue;
      ++entries;
      total += own;
      if (place->second.use_count() == 1 && flight.value.use_count() == 1)
        idle.emplace(flight.last_asked, place);
    }
    for (const auto& [asked, place] : idle) {
      if (entries <= count && total <= limit)
        break;
      --entries;
      total -= weight(*place->second->value);
      dropped.push_back(std::move(place->second));
      flights_.erase(place);
    }
    return dropped.size();
  }

  /// Forgets the values that `predicate` holds for, whoever else has them.
  template <typename Predicate>
  void forget_if(Predicate predicate) {
    std::vector<std::shared_ptr<Flight>> dropped; // destroyed without the lock
    const std::lock_guard lock(mutex_);
    for (auto place = flights_.begin(); place != flights_.end();) {
      const Flight& flight = *place->second;
      if (!flight.done || !flight.value || !predicate(*flight.value)) {
        ++place;
        continue;
      }
      dropped.push_back(std::move(place->second));
      place = flights_.erase(place);
    }
  }

  /// Calls `visit` with every value.
  template <typename Visit>
  void for_each(Visit visit) {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, flight] : flights_)
      if (flight->done && flight->value)
        visit(*flight->value);
  }

private:
  struct Flight {
    std::uint64_t last_asked = 0;
    bool done = false;
    Pointer value;
    std::exception_ptr error;
  };
  using Flights = std::unordered_map<Key, std::shared_ptr<Flight>, Hash>;

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
  std::uint64_t asked_ = 0;
  Flights flights_;
};

} // namespace swage::base
