// races.cpp -- vector clocks of warps, and the last accesses to each byte of shared memory.
#include "emulator/races.hpp"

#include <algorithm>

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
  before = access;
  before.many = many;
}

} // namespace

Clocks::Clocks(std::size_t warps)
    : epochs_(warps, 1), known_(warps * warps), fenced_(warps * warps), arrived_(warps) {}

void Clocks::start() {
  for (std::size_t warp = 0; warp < warps(); ++warp)
    std::copy(epochs_.begin(), epochs_.end(), row(warp));
  for (std::uint32_t& epoch : epochs_)
    ++epoch;
  places_.clear();
}

void Clocks::release(std::size_t warp, std::uint32_t* to) {
  const std::uint32_t* const known = row(warp);
  for (std::size_t i = 0; i < warps(); ++i)
    to[i] = std::max(to[i], known[i]);
  to[warp] = epochs_[warp]++;
}

void Clocks::acquire(std::size_t warp, const std::uint32_t* from) {
  std::uint32_t* const known = row(warp);
  for (std::size_t i = 0; i < warps(); ++i)
    known[i] = std::max(known[i], from[i]);
}

void Clocks::block_barrier(const std::vector<std::size_t>& warps) {
  Clock all(this->warps());
  for (const std::size_t warp : warps)
    release(warp, all.data());
  for (const std::size_t warp : warps)
    acquire(warp, all.data());
}

void Clocks::warp_barrier(std::size_t warp) {
  row(warp)[warp] = epochs_[warp]++;
}

void Clocks::fence(std::size_t warp) {
  release(warp, &fenced_[warp * warps()]);
}

void Clocks::arrive(std::size_t warp, bool relaxed) {
  if (!relaxed)
    fence(warp);
  const std::uint32_t* const fenced = &fenced_[warp * warps()];
  for (std::size_t i = 0; i < warps(); ++i)
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
  clock.resize(warps());
  release(warp, clock.data());
}

std::uint32_t SharedRaces::new_row() {
  if (!free_rows_.empty()) {
    const std::uint32_t free = free_rows_.back();
    free_rows_.pop_back();
    std::fill_n(row(free), clocks.warps(), Access{});
    return free;
  }
  readers_.resize(readers_.size() + clocks.warps());
  return static_cast<std::uint32_t>(readers_.size() / clocks.warps());
}

const Access* SharedRaces::read(Byte& byte, const Access& access) {
  const std::uint32_t* const known = clocks.known(access.warp);
  if (byte.readers != 0) {
    add_reader(row(byte.readers)[access.warp], access, known);
  } else if (byte.reader.warp == access.warp) {
    add_reader(byte.reader, access, known);
  } else if (is_ordered(byte.reader, access, known)) {
    byte.reader = access; // who comes after this one comes after that one
  } else {
    byte.readers = new_row();
    row(byte.readers)[byte.reader.warp] = byte.reader;
    row(byte.readers)[access.warp] = access;
  }
  return is_ordered(byte.writer, access, known) ? nullptr : &byte.writer;
}

const Access* SharedRaces::write(Byte& byte, const Access& access) {
  const std::uint32_t* const known = clocks.known(access.warp);
  if (!is_ordered(byte.writer, access, known))
    return &byte.writer;
  if (byte.readers != 0) {
    const Access* const readers = row(byte.readers);
    for (std::size_t warp = 0; warp < clocks.warps(); ++warp)
      if (!is_ordered(readers[warp], access, known))
        return &readers[warp];
    free_rows_.push_back(byte.readers);
    byte.readers = 0;
  } else if (!is_ordered(byte.reader, access, known)) {
    return &byte.reader;
  }
  byte.writer = access;
  byte.reader = {};
  return nullptr;
}

std::optional<SharedRaces::Race> SharedRaces::access(Access access, bool stores, std::size_t block,
                                                     std::uint64_t offset, unsigned bytes) {
  access.epoch = clocks.epoch(access.warp);
  Byte* const first = &touched_[block * bytes_ + offset];
  for (unsigned i = 0; i < bytes; ++i)
    if (const Access* const other = stores ? write(first[i], access) : read(first[i], access))
      return Race{*other, offset + i};
  return std::nullopt;
}

} // namespace swage::emulator
