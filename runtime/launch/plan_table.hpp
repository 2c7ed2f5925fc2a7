// plan_table.hpp -- the table a launch is looked up in: read without a lock, never shrinks.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

namespace swage::launch {

/// Key, which has `hash()` and `==`, to a Plan that stays where it is until the table goes. `find`
/// takes no lock and no atomic read-modify-write; `insert` publishes under a mutex. Open
/// addressing; a table that fills is replaced by one twice as large and kept, for a reader may
/// still be in it.
template <typename Key, typename Plan>
class PlanTable {
public:
  PlanTable() { grow(16); }

  template <typename Lookup> // a Key, or what hashes as one and compares with it
  const Plan* find(const Lookup& key) const noexcept {
    const Slots& slots = *current_.load(std::memory_order_acquire);
    for (std::uint64_t i = key.hash();; ++i) {
      const Entry* entry = slots.entries[i & slots.mask].load(std::memory_order_acquire);
      if (!entry)
        return nullptr;
      if (entry->key == key)
        return &entry->plan;
    }
  }

  /// The plan that is in the table afterwards: the one given, or one that was there before.
  const Plan* insert(const Key& key, Plan plan) {
    const std::lock_guard lock(mutex_);
    if (const Plan* present = find(key))
      return present;
    return add(key, std::move(plan));
  }

  /// Puts `plan` in the place of what was there. Readers may hold on to the old one.
  const Plan* replace(const Key& key, Plan plan) {
    const std::lock_guard lock(mutex_);
    const Slots& slots = *current_.load(std::memory_order_relaxed);
    for (std::uint64_t i = key.hash();; ++i) {
      const Entry* old = slots.entries[i & slots.mask].load(std::memory_order_relaxed);
      if (!old)
        break;
      if (!(old->key == key))
        continue;
      const auto place = std::find_if(entries_.begin(), entries_.end(),
                                      [&](const auto& each) { return each.get() == old; });
      auto entry = std::make_unique<Entry>(Entry{key, std::move(plan)});
      replaced_.reserve(replaced_.size() + 1); // nothing below may throw
      slots.entries[i & slots.mask].store(entry.get(), std::memory_order_release);
      std::swap(*place, entry);
      replaced_.push_back(std::move(entry));
      return &(*place)->plan;
    }
    return add(key, std::move(plan));
  }

  /// Calls `visit` with every key and plan, under the mutex.
  template <typename Visit>
  void for_each(Visit visit) {
    const std::lock_guard lock(mutex_);
    for (const auto& entry : entries_)
      visit(entry->key, entry->plan);
  }

private:
  struct Entry {
    Key key;
    Plan plan;
  };
  struct Slots {
    std::uint64_t mask;
    std::unique_ptr<std::atomic<const Entry*>[]> entries;
  };

  const Plan* add(const Key& key, Plan plan) {
    entries_.push_back(std::make_unique<Entry>(Entry{key, std::move(plan)}));
    const Slots& slots = *current_.load(std::memory_order_relaxed);
    if (2 * entries_.size() > slots.mask + 1)
      grow(2 * (slots.mask + 1));
    else
      place(slots, entries_.back().get());
    return &entries_.back()->plan;
  }

  static void place(const Slots& slots, const Entry* entry) {
    std::uint64_t i = entry->key.hash();
    while (slots.entries[i & slots.mask].load(std::memory_order_relaxed))
      ++i;
    slots.entries[i & slots.mask].store(entry, std::memory_order_release);
  }

  void grow(std::uint64_t size) {
    auto slots = std::make_unique<Slots>();
    slots->mask = size - 1;
    slots->entries = std::make_unique<std::atomic<const Entry*>[]>(size);
    for (const auto& entry : entries_)
      place(*slots, entry.get());
    all_.push_back(std::move(slots)); // first: where memory runs out, readers see the old table
    current_.store(all_.back().get(), std::memory_order_release);
  }

  std::atomic<const Slots*> current_ = nullptr;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Slots>> all_;
  std::vector<std::unique_ptr<Entry>> entries_;
  std::vector<std::unique_ptr<Entry>> replaced_; ///< readers may still be in them
};

} // namespace swage::launch
