// races.cpp -- vector clocks of warps, and the last accesses to each byte.
#include "emulator/races.hpp"

#include <algorithm>
#include <utility>

namespace swage::emulator {
namespace {

// Of `known`, the row of the warp that does `access`.
bool is_ordered(const Access& before, const Access& access, const std::uint32_t* known) {
  return before.epoch <= known[before.warp] ||
         (before.warp == access.warp && before.lane == access.lane && !before.many);
}

// Both read, in one warp.
void add_reader(Access& before, const Access& access, const std::uint32_t* known) {
  const bool many = !is_ordered(before, access, known);
  before = {access.epoch, access.index, access.warp, access.lane, many};
}

} // namespace

Clocks::Clocks(std::size_t warps)
    : warps_(warps), epochs_(warps, 1), known_(warps * warps), fenced_(warps * warps),
      arrived_(warps) {}

void Clocks::start() {
  for (std::size_t warp = 0; warp < warps(); ++warp)
    std::copy(epochs_.begin(), epochs_.end(), row(warp));
  for (std::uint32_t& epoch : epochs_)
    ++epoch;
  places_.clear();
}

void Clocks::release(std::size_t warp, std::uint32_t* to) {
  const std::uint32_t* const known = row(warp);
  for (std::size_t i = 0; i < columns(); ++i)
    to[i] = std::max(to[i], known[i]);
  to[warp] = epochs_[warp]++;
}

void Clocks::acquire(std::size_t warp, const std::uint32_t* from) {
  std::uint32_t* const known = row(warp);
  for (std::size_t i = 0; i < columns(); ++i)
    known[i] = std::max(known[i], from[i]);
}

void Clocks::block_barrier(const std::vector<std::size_t>& warps) {
  Clock all(columns());
  for (const std::size_t warp : warps)
    release(warp, all.data());
  for (const std::size_t warp : warps)
    acquire(warp, all.data());
}

void Clocks::warp_barrier(std::size_t warp) {
  row(warp)[warp] = epochs_[warp]++;
}

void Clocks::fence(std::size_t warp) {
  release(warp, &fenced_[warp * columns()]);
}

void Clocks::arrive(std::size_t warp, bool relaxed) {
  if (!relaxed)
    fence(warp);
  const std::uint32_t* const fenced = &fenced_[warp * columns()];
  for (std::size_t i = 0; i < columns(); ++i)
    arrived_[i] = std::max(arrived_[i], fenced[i]);
}

void Clocks::cluster_barrier(const std::vector<std::size_t>& warps) {
  for (const std::size_t warp : warps)
    acquire(warp, arrived_.data());
  std::fill(arrived_.begin(), arrived_.end(), 0);
}

void Clocks::acquire_at(std::size_t warp, std::uint64_t place) {
  if (const auto found = places_.find(place); found != places_.end())
    acquire(warp, found->second.data());
}

void Clocks::release_at(std::size_t warp, std::uint64_t place) {
  Clock& clock = places_[place];
  clock.resize(columns());
  release(warp, clock.data());
}

// Three more in every row.
void Clocks::add_columns() {
  const std::size_t before = columns();
  epochs_.resize(before + kColumns, 1);
  arrived_.resize(columns());
  for (Clock* const matrix : {&known_, &fenced_}) {
    Clock wider(warps_ * columns());
    for (std::size_t warp = 0; warp < warps_; ++warp)
      std::copy_n(&(*matrix)[warp * before], before, &wider[warp * columns()]);
    *matrix = std::move(wider);
  }
  for (auto& [place, clock] : places_)
    clock.resize(columns());
}

std::size_t Clocks::mbarrier(std::uint64_t place) {
  const auto [found, is_new] = mbarriers_.try_emplace(place, columns());
  if (is_new) {
    add_columns();
    phases_.emplace_back();
  }
  return found->second;
}

void Clocks::fence_made(std::size_t warp, std::size_t mbarrier) {
  fenced_[warp * columns() + mbarrier] = epochs_[mbarrier];
}

void Clocks::arrive_at(std::size_t warp, std::size_t mbarrier) {
  Clock& clock = phases(mbarrier).gathered[0];
  clock.resize(columns());
  release(warp, clock.data());
}

void Clocks::send_to(std::size_t warp, std::size_t mbarrier, bool far) {
  Clock& clock = phases(mbarrier).gathered[far ? 1 : 0];
  clock.resize(columns());
  const std::uint32_t* const known = row(warp);
  for (std::size_t i = 0; i < columns(); ++i)
    clock[i] = std::max(clock[i], known[i]);
}

void Clocks::complete(std::size_t mbarrier) {
  for (const std::size_t far : {0, 1}) {
    Clock& completed = phases(mbarrier).completed[far];
    completed = phases(mbarrier).gathered[far];
    completed.resize(columns());
    const std::size_t sent = mbarrier + 1 + far;
    completed[sent] = epochs_[sent]++;
  }
}

void Clocks::acquire_from(std::size_t warp, std::size_t mbarrier, bool cluster) {
  for (Clock& completed : phases(mbarrier).completed) {
    completed.resize(columns());
    acquire(warp, completed.data());
    if (!cluster)
      return;
  }
}

void Races::start() {
  for (std::size_t warp = 0; warp < clocks_.warps(); ++warp)
    started_[warp] = clocks_.epoch(warp);
  clocks_.start();
}

std::uint32_t Races::new_row() {
  if (!free_rows_.empty()) {
    const std::uint32_t free = free_rows_.back();
    free_rows_.pop_back();
    std::fill_n(row(free), clocks_.warps(), Access{});
    return free;
  }
  readers_.resize(readers_.size() + clocks_.warps());
  return static_cast<std::uint32_t>(readers_.size() / clocks_.warps());
}

bool Races::is_unordered(const Access& before, const Access& access, bool of_grid) const {
  if (of_grid && is_earlier(before))
    return before.epoch != 0;
  return !is_ordered(before, access, clocks_.known(access.warp));
}

inline const Access* Races::read(TouchedByte& byte, const Access& access, bool of_grid) {
  const std::uint32_t* const known = clocks_.known(access.warp);
  Access& before = byte.readers != 0 ? row(byte.readers)[access.warp] : byte.reader;
  // Most reads are such that nothing changes.
  if (before.epoch == access.epoch && before.warp == access.warp &&
      (before.many || before.lane == access.lane) &&
      (byte.writer.epoch == 0 || (!of_grid && byte.writer.epoch <= known[byte.writer.warp])))
    return nullptr;
  if (of_grid && before.epoch != 0 && is_earlier(before))
    byte.earlier = std::exchange(before, {});
  if (byte.readers != 0 || before.warp == access.warp) {
    add_reader(before, access, known);
  } else if (is_ordered(before, access, known)) {
    before = access; // who comes after this one comes after that one
  } else {
    const Access other = std::exchange(byte.reader, {});
    byte.readers = new_row();
    row(byte.readers)[other.warp] = other;
    row(byte.readers)[access.warp] = access;
  }
  return is_unordered(byte.writer, access, of_grid) ? &byte.writer : nullptr;
}

inline const Access* Races::write(TouchedByte& byte, const Access& access, const Access& noted,
                                  bool of_grid) {
  for (const Access* const before : {&byte.writer, &byte.reader, &byte.earlier})
    if (is_unordered(*before, access, of_grid))
      return before;
  if (byte.readers != 0) {
    const Access* const readers = row(byte.readers);
    for (std::size_t warp = 0; warp < clocks_.warps(); ++warp)
      if (is_unordered(readers[warp], access, of_grid))
        return &readers[warp];
    free_rows_.push_back(byte.readers);
    byte.readers = 0;
  }
  byte.writer = noted;
  byte.reader = {};
  return nullptr;
}

void Races::split(TouchedByte* word) {
  for (std::size_t i = 1; i < kWord; ++i) {
    word[i] = *word;
    if (word->readers != 0) {
      word[i].readers = new_row();
      std::copy_n(row(word->readers), clocks_.warps(), row(word[i].readers));
    }
  }
  word->split = true;
}

const Races::Race* Races::access(std::uint32_t index, std::size_t warp, unsigned lane, bool stores,
                                 TouchedByte* memory, std::uint64_t offset, unsigned bytes,
                                 bool of_grid) {
  const Access access{clocks_.epoch(warp), index, static_cast<std::uint16_t>(warp),
                      static_cast<std::uint8_t>(lane), false};
  return touch(access, access, stores, memory, offset, bytes, of_grid);
}

const Races::Race* Races::send(std::uint32_t index, std::size_t warp, unsigned lane,
                               std::size_t mbarrier, bool far, TouchedByte* memory,
                               std::uint64_t offset, unsigned bytes) {
  const Access access{clocks_.epoch(warp), index, static_cast<std::uint16_t>(warp),
                      static_cast<std::uint8_t>(lane), false};
  const std::size_t sent = mbarrier + (far ? 2 : 1);
  Access noted = access;
  noted.epoch = clocks_.epoch(sent);
  noted.warp = static_cast<std::uint16_t>(sent);
  return touch(access, noted, true, memory, offset, bytes, false);
}

bool Races::is_after(const Access& before, std::size_t warp, unsigned lane) const {
  const Access access{0, 0, static_cast<std::uint16_t>(warp), static_cast<std::uint8_t>(lane),
                      false};
  return is_ordered(before, access, clocks_.known(warp));
}

const Races::Race* Races::touch(const Access& access, const Access& noted, bool stores,
                                TouchedByte* memory, std::uint64_t offset, unsigned bytes,
                                bool of_grid) {
  const bool words = (offset | bytes) % kWord == 0;
  for (unsigned i = 0; i < bytes;) {
    TouchedByte* const word = memory + (offset + i) / kWord * kWord;
    if (!words && !word->split)
      split(word);
    TouchedByte& byte = memory[offset + i];
    if (const Access* const other =
            stores ? write(byte, access, noted, of_grid) : read(byte, access, of_grid)) {
      found_ = {*other, i, of_grid && is_earlier(*other)};
      return &found_;
    }
    i += word->split ? 1U : kWord;
  }
  return nullptr;
}

} // namespace swage::emulator
