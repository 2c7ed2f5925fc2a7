// overlap_test.cpp -- whether views share bytes, against the sets of their bytes.
#include <algorithm>
#include <random>
#include <set>

#include "runtime/launch/overlap.hpp"
#include "tests/support/catch.hpp"

using namespace swage::launch;

namespace {

constexpr std::uint64_t kBase = 1 << 20;

Region region(std::int64_t offset, std::int64_t row_stride, std::int64_t column_stride,
              std::int64_t rows, std::int64_t columns, std::int64_t bytes) {
  Region r{};
  r.base = kBase + static_cast<std::uint64_t>(offset);
  r.row_stride = rows > 1 ? row_stride : 0;
  r.column_stride = columns > 1 ? column_stride : 0;
  r.rows = rows;
  r.columns = columns;
  r.element_bytes = bytes;
  const std::int64_t row = r.row_stride * (rows - 1), column = r.column_stride * (columns - 1);
  r.low = r.base + static_cast<std::uint64_t>(std::min<std::int64_t>(row, 0) +
                                              std::min<std::int64_t>(column, 0));
  r.high = r.base + static_cast<std::uint64_t>(std::max<std::int64_t>(row, 0) +
                                               std::max<std::int64_t>(column, 0) + bytes);
  return r;
}

std::vector<std::uint64_t> addresses(const Region& r) {
  std::vector<std::uint64_t> result;
  for (std::int64_t row = 0; row < r.rows; ++row)
    for (std::int64_t column = 0; column < r.columns; ++column)
      result.push_back(r.base + static_cast<std::uint64_t>(row * r.row_stride) +
                       static_cast<std::uint64_t>(column * r.column_stride));
  return result;
}

std::set<std::uint64_t> bytes_of(const Region& r) {
  std::set<std::uint64_t> result;
  for (const std::uint64_t address : addresses(r))
    for (std::int64_t i = 0; i < r.element_bytes; ++i)
      result.insert(address + static_cast<std::uint64_t>(i));
  return result;
}

bool truly_disjoint(const Region& a, const Region& b) {
  const auto theirs = bytes_of(b);
  return std::ranges::none_of(bytes_of(a), [&](auto byte) { return theirs.contains(byte); });
}

class RandomRegions {
public:
  explicit RandomRegions(std::uint64_t seed) : random_(seed) {}
  std::int64_t below(std::int64_t bound) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(bound));
  }
  Region next() {
    const std::int64_t bytes = std::int64_t{1} << below(4);
    const auto stride = [&] { return (below(25) - 8) * bytes; };
    return region(below(40) * bytes, stride(), stride(), 1 + below(5), 1 + below(6), bytes);
  }

private:
  std::mt19937_64 random_;
};

/// Rows of `pitch` bytes; of each every other of 16 elements of 4 bytes, from `first` on.
Region every_other(std::uint64_t first, std::int64_t pitch) {
  return {4096 + first, pitch, 8, 10, 8, 4, 4096 + first, 4096 + first + 9 * 200 + 60, nullptr};
}

/// Rows taken as columns.
Region exchanged(Region region) {
  std::swap(region.row_stride, region.column_stride);
  std::swap(region.rows, region.columns);
  return region;
}

} // namespace

TEST_CASE("views said to be disjoint share no byte, and identical ones every element") {
  RandomRegions random(1);
  int disjoint = 0, identical = 0;
  for (int i = 0; i < 60000; ++i) {
    const Region a = random.next();
    const Region b = i % 10 == 0 ? a : random.next();
    switch (relation(a, b)) {
    case Relation::disjoint:
      ++disjoint;
      REQUIRE(truly_disjoint(a, b));
      break;
    case Relation::identical:
      ++identical;
      REQUIRE(addresses(a) == addresses(b));
      break;
    case Relation::overlapping: break;
    }
    REQUIRE(relation(b, a) == relation(a, b));
  }
  CHECK(disjoint > 1000);
  CHECK(identical > 1000);
}

TEST_CASE("every pair of column slices of one buffer is told exactly") {
  for (std::int64_t first = 0; first < 12; ++first)
    for (std::int64_t width = 1; first + width <= 12; ++width)
      for (std::int64_t second = 0; second < 12; ++second) {
        const Region a = region(first * 4, 48, 4, 5, width, 4);
        const Region b =
            region(second * 4, 48, 4, 5, std::min<std::int64_t>(width, 12 - second), 4);
        CHECK((relation(a, b) == Relation::disjoint) == truly_disjoint(a, b));
      }
}

TEST_CASE("a view overlaps itself exactly when two elements have one address") {
  RandomRegions random(2);
  int overlapping = 0;
  for (int i = 0; i < 60000; ++i) {
    const Region a = random.next();
    std::vector<std::uint64_t> all = addresses(a);
    std::ranges::sort(all);
    const bool expected = std::ranges::adjacent_find(all) != all.end();
    REQUIRE(overlaps_itself(a) == expected);
    overlapping += expected;
  }
  CHECK(overlapping > 1000);
}

TEST_CASE("interleaved halves are disjoint whatever the pitch of their rows") {
  for (const std::int64_t pitch : {64, 68, 72, 100}) {
    CAPTURE(pitch);
    CHECK(relation(every_other(0, pitch), every_other(4, pitch)) == Relation::disjoint);
    CHECK(relation(every_other(4, pitch), every_other(0, pitch)) == Relation::disjoint);
    CHECK(relation(exchanged(every_other(0, pitch)), exchanged(every_other(4, pitch))) ==
          Relation::disjoint);
  }
}

TEST_CASE("interleaved views whose rows reach into each other overlap") {
  CHECK(relation(every_other(0, 60), every_other(4, 60)) == Relation::overlapping);
  CHECK(relation(every_other(0, 68), every_other(8, 68)) == Relation::overlapping);
  CHECK(relation(every_other(0, 68), every_other(12, 60)) == Relation::overlapping);
}
