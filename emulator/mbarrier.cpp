// mbarrier.cpp -- mbarrier objects, and values that are sent to other blocks (st.async).
#include "emulator/mbarrier.hpp"

#include "emulator/grid.hpp"

#include <cstring>

namespace swage::emulator {

std::string Mbarrier::expect(std::uint32_t bytes) {
  if (bytes_ + bytes > kMost)
    return "an mbarrier expects more bytes than it can count, " + std::to_string(kMost);
  bytes_ += bytes;
  return {};
}

std::string Mbarrier::arrive(std::uint32_t count) {
  if (count == 0 || count > pending_)
    return "an arrival of " + std::to_string(count) + " at an mbarrier whose phase waits for " +
           std::to_string(pending_);
  pending_ -= count;
  return {};
}

std::string Mbarrier::complete_bytes(std::uint32_t bytes, const Origin& from) {
  if (bytes_ - bytes < -kMost)
    return "an mbarrier is sent more bytes than it can count, " + std::to_string(kMost);
  bytes_ -= bytes;
  sent_ = phase_ + 1;
  sender_ = from;
  return {};
}

bool Mbarrier::completes() {
  if (pending_ != 0 || bytes_ != 0)
    return false;
  pending_ = count_;
  ++phase_;
  return true;
}

std::string Mbarrier::missing() const {
  return std::to_string(pending_) + " arrivals and " + std::to_string(bytes_) + " bytes";
}

namespace {

enum class Scope : std::uint8_t { cta, cluster };

template <class Body>
void each_lane(const Warp& warp, Body body) { // one after the other: they may meet
  for (std::uint32_t rest = warp.mask; rest != 0; rest &= rest - 1)
    body(static_cast<unsigned>(std::countr_zero(rest)));
}

void require_defined(const std::string& wrong, const Warp& warp, const Step& step, unsigned lane,
                     std::uint64_t address) {
  if (!wrong.empty())
    warp.grid->fault(FaultKind::illegal_instruction, warp, step, lane, address, wrong);
}

// The place of an operation that is not for other blocks' mbarriers.
SharedPlace own_place(const Warp& warp, const Step& step, unsigned lane, std::uint64_t address) {
  const SharedPlace place = warp.grid->shared_place(warp, step, lane, address, Mbarrier::kBytes);
  if (place.block != warp.block)
    require_defined("the mbarrier is of another block", warp, step, lane, address);
  return place;
}

Mbarrier& find(const Warp& warp, const Step& step, unsigned lane, std::uint64_t address,
               const SharedPlace& place) {
  Grid& grid = *warp.grid;
  const auto found = grid.mbarriers.find(place.number());
  if (found == grid.mbarriers.end())
    require_defined("no mbarrier has been initialised here", warp, step, lane, address);
  Mbarrier& mbarrier = found->second;
  if (grid.races) {
    const std::size_t number = grid.warp_number(warp);
    const Clocks& clocks = grid.races->clocks();
    if (clocks.known(number)[mbarrier.column] < clocks.epoch(mbarrier.column) &&
        !grid.races->is_after(mbarrier.made, number, lane))
      grid.report({mbarrier.made, 0, false}, warp, step, lane, place.number(), false);
  }
  return mbarrier;
}

void go_on(Grid& grid, Mbarrier& mbarrier) {
  if (mbarrier.completes() && grid.races)
    grid.races->clocks().complete(mbarrier.column);
}

// mbarrier.init [a], b
void initialise(Warp& warp, const Step& step) {
  Grid& grid = *warp.grid;
  each_lane(warp, [&](unsigned lane) {
    const std::uint64_t address = address_of(warp, step, lane);
    const SharedPlace place = own_place(warp, step, lane, address);
    const std::uint64_t count = warp.row(step.b)[lane];
    if (count == 0 || count > Mbarrier::kMost)
      require_defined("an mbarrier of " + std::to_string(count) + " arrivals, where 1 to " +
                          std::to_string(Mbarrier::kMost) + " are possible",
                      warp, step, lane, address);
    grid.locate(warp, step, lane, address, Mbarrier::kBytes);
    Mbarrier& mbarrier = grid.mbarriers[place.number()];
    mbarrier = Mbarrier(static_cast<std::uint32_t>(count));
    if (!grid.races)
      return;
    Clocks& clocks = grid.races->clocks();
    const std::size_t number = grid.warp_number(warp);
    mbarrier.column = clocks.mbarrier(place.number());
    mbarrier.made = {clocks.epoch(number), step.index, static_cast<std::uint16_t>(number),
                     static_cast<std::uint8_t>(lane), false};
  });
}

// Releases what these lanes initialised, and nothing else.
void fence_initialisation(Warp& warp, const Step&) {
  Grid& grid = *warp.grid;
  if (!grid.races)
    return;
  const std::size_t number = grid.warp_number(warp);
  for (const auto& [place, mbarrier] : grid.mbarriers)
    if (mbarrier.made.warp == number && (warp.mask >> mbarrier.made.lane & 1) != 0)
      grid.races->clocks().fence_made(number, mbarrier.column);
}

// mbarrier.arrive _, [a], c; with .expect_tx of b bytes, before
void arrive(Warp& warp, const Step& step) {
  Grid& grid = *warp.grid;
  const bool expects = step.function != 0;
  each_lane(warp, [&](unsigned lane) {
    const std::uint64_t address = address_of(warp, step, lane);
    Mbarrier& mbarrier = find(warp, step, lane, address, own_place(warp, step, lane, address));
    if (expects)
      require_defined(mbarrier.expect(static_cast<std::uint32_t>(warp.row(step.b)[lane])), warp,
                      step, lane, address);
    require_defined(mbarrier.arrive(static_cast<std::uint32_t>(warp.row(step.c)[lane])), warp, step,
                    lane, address);
    if (grid.races && !step.relaxed)
      grid.races->clocks().arrive_at(grid.warp_number(warp), mbarrier.column);
    go_on(grid, mbarrier);
  });
}

// st.async [a], list, [c + e]. It is done at once, which is one of the times that PTX leaves open.
void send(Warp& warp, const Step& step) {
  Grid& grid = *warp.grid;
  const Row value = grid.program.lists[step.list];
  each_lane(warp, [&](unsigned lane) {
    const std::uint64_t address = address_of(warp, step, lane);
    const std::uint64_t counter = warp.row(step.c)[lane] + warp.row(step.e)[lane];
    const SharedPlace to = grid.shared_place(warp, step, lane, address, step.size);
    const SharedPlace place = grid.shared_place(warp, step, lane, counter, Mbarrier::kBytes);
    if (to.block != place.block)
      require_defined("a value is sent to another block than the mbarrier's", warp, step, lane,
                      address);
    if (grid.shared.size() == 1)
      require_defined("st.async in a block that is of no cluster", warp, step, lane, address);
    grid.check_ordinary(warp, step, lane, to, step.size);
    Mbarrier& mbarrier = find(warp, step, lane, counter, place);
    require_defined(mbarrier.complete_bytes(step.size, {&warp, &step, lane, address}), warp, step,
                    lane, counter);
    if (grid.races) {
      const bool far = to.block != warp.block;
      grid.races->clocks().send_to(grid.warp_number(warp), mbarrier.column, far);
      grid.check_sent(warp, step, lane, mbarrier.column, far, to);
    }
    std::memcpy(grid.shared[to.block].data() + to.offset, &warp.row(value)[lane], step.size);
    go_on(grid, mbarrier);
  });
}

// The scope of an operation that has one only with its semantics.
Scope take_scope(Decoder& d, bool has_semantics) {
  const int scope = d.take_one_of({"cta", "cluster"}, -1);
  if ((scope >= 0) != has_semantics)
    d.fail("semantics and scope stand together, or neither");
  return scope == 1 ? Scope::cluster : Scope::cta;
}

void finish_mbarrier(Decoder& d, std::size_t address) {
  if (d.take("shared") || d.take("shared::cta"))
    d.step.space = Space::shared;
  if (d.take_type() != Type::b64)
    d.fail("an mbarrier is a .b64");
  d.finish();
  take_address(d, d.operand(address));
}

void decode_initialise(Decoder& d) {
  d.require(70, 80);
  finish_mbarrier(d, 0);
  d.expect_operands(2);
  d.step.stores = true;
  d.step.size = Mbarrier::kBytes;
  d.step.b = d.source(1, Type::u32);
  d.step.run = initialise;
}

void decode_arrive(Decoder& d) {
  const bool expects = d.take("expect_tx");
  d.require(80, 90);
  const int semantics = d.take_one_of({"release", "relaxed"}, -1);
  d.step.relaxed = semantics == 1;
  take_scope(d, semantics >= 0); // who waits is of the same block
  finish_mbarrier(d, 1);
  d.expect_operands(expects ? 3 : 2, 3);
  if (d.operand(0).kind != OperandKind::sink)
    d.fail("the state that an arrival returns is not emulated: write _, and wait for the parity");
  d.step.function = expects ? 1 : 0;
  d.step.b = expects ? d.source(2, Type::u32) : d.constant(0);
  d.step.c = !expects && d.operand_count() == 3 ? d.source(2, Type::u32) : d.constant(1);
  d.step.run = arrive;
}

void decode_try_wait(Decoder& d) {
  d.require(78, 90);
  if (!d.take("parity"))
    d.fail("only waits for a parity are emulated");
  const int semantics = d.take_one_of({"acquire", "relaxed"}, -1);
  if (semantics >= 0)
    d.require(semantics == 0 ? 80 : 86, 90);
  d.step.relaxed = semantics == 1;
  d.step.function = static_cast<std::uint8_t>(take_scope(d, semantics >= 0));
  finish_mbarrier(d, 1);
  d.expect_operands(3, 4); // the fourth is a limit of time
  d.destination(Type::pred);
  d.step.b = d.source(2, Type::u32);
  d.step.flow = Flow::phase_wait;
  d.program().has_barrier = true;
}

} // namespace

std::uint32_t try_wait(Warp& warp, const Step& step) {
  Grid& grid = *warp.grid;
  std::uint32_t incomplete = 0;
  each_lane(warp, [&](unsigned lane) {
    const std::uint64_t address = address_of(warp, step, lane);
    const std::uint64_t parity = warp.row(step.b)[lane];
    if (parity > 1)
      require_defined("a parity of " + std::to_string(parity) + ", where 0 and 1 are possible",
                      warp, step, lane, address);
    Mbarrier& mbarrier = find(warp, step, lane, address, own_place(warp, step, lane, address));
    const bool complete = mbarrier.is_complete(parity);
    warp.row(step.d)[lane] = complete ? 1 : 0;
    if (!complete) {
      incomplete |= 1U << lane;
      warp.awaited[lane] = &mbarrier;
      warp.awaited_phase[lane] = mbarrier.phase();
      return;
    }
    mbarrier.see_complete();
    if (grid.races && !step.relaxed)
      grid.races->clocks().acquire_from(grid.warp_number(warp), mbarrier.column,
                                        static_cast<Scope>(step.function) == Scope::cluster);
  });
  return incomplete;
}

std::uint32_t awoken(const Warp& warp) {
  std::uint32_t lanes = 0;
  for (std::uint32_t rest = warp.suspended; rest != 0; rest &= rest - 1) {
    const auto lane = static_cast<unsigned>(std::countr_zero(rest));
    if (warp.awaited[lane]->phase() != warp.awaited_phase[lane])
      lanes |= 1U << lane;
  }
  return lanes;
}

void decode_mbarrier(Decoder& d) {
  if (d.take("init"))
    decode_initialise(d);
  else if (d.take("arrive"))
    decode_arrive(d);
  else if (d.take("try_wait"))
    decode_try_wait(d);
  else
    d.fail("of mbarrier only .init, .arrive and .try_wait are emulated");
}

void decode_fence_mbarrier_init(Decoder& d) {
  d.require(80, 90);
  if (!d.take("release") || !d.take("cluster"))
    d.fail("expected .release.cluster");
  d.finish();
  d.expect_operands(0);
  d.step.run = fence_initialisation;
}

void decode_st_async(Decoder& d) {
  d.require(81, 90);
  d.take("weak");
  if (!d.take("shared::cluster") || !d.take("mbarrier::complete_tx::bytes"))
    d.fail("expected .shared::cluster.mbarrier::complete_tx::bytes");
  const Type type = d.take_type();
  d.finish();
  d.expect_operands(3);
  if (size_of(type) != 4 && size_of(type) != 8)
    d.fail("only 4 or 8 bytes are sent at once");
  d.step.space = Space::shared;
  d.step.stores = true;
  d.step.size = static_cast<std::uint8_t>(size_of(type));
  d.step.count = 1;
  take_address(d, d.operand(2));
  d.step.c = d.step.has_base ? d.step.a : d.constant(0);
  d.step.e = d.constant(static_cast<std::uint64_t>(d.step.immediate));
  d.step.has_base = false;
  take_address(d, d.operand(0));
  d.step.list = d.list({d.source(1, type)});
  d.step.run = send;
}

} // namespace swage::emulator
