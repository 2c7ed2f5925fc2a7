// far_test.cpp -- views that reach further than 32 bits count, in elements and in bytes.
#include <cstdint>

#include <sys/mman.h>

#include "swage/swage.hpp"
#include "tests/support/catch.hpp"

using namespace swage;

namespace {

/// Address space whose pages come as they are touched.
class Far {
public:
  explicit Far(std::size_t bytes)
      : bytes_(bytes), at_(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {}
  ~Far() {
    if (at_ != MAP_FAILED)
      ::munmap(at_, bytes_);
  }
  Far(const Far&) = delete;
  Far& operator=(const Far&) = delete;
  template <class T>
  T* begin() const {
    REQUIRE(at_ != MAP_FAILED);
    return static_cast<T*>(at_);
  }

private:
  std::size_t bytes_;
  void* at_;
};

constexpr std::int64_t kRows = 3, kColumns = 100;

} // namespace

TEST_CASE("rows further apart than 2^31 elements are read, from either end") {
  constexpr std::int64_t kStride = 1'500'000'000;
  const Far memory(static_cast<std::size_t>(kRows * kStride));
  auto* const x = memory.begin<std::uint8_t>();
  for (std::int64_t row = 0; row < kRows; ++row)
    x[row * kStride + 7] = static_cast<std::uint8_t>(row + 1);
  const Kernel kernel =
      Device::open("cpu").kernel("kernel k(x: in u8, y: out u8) { y = x + 5; }", "");
  std::uint8_t y[kRows * kColumns] = {};
  const Tensor out(y, u8, {kRows, kColumns});
  kernel.launch(nullptr, {Tensor(x, u8, {kRows, kColumns}, {kStride, 1}), out});
  for (std::int64_t row = 0; row < kRows; ++row) {
    CHECK(int{y[row * kColumns + 7]} == row + 6);
    CHECK(int{y[row * kColumns]} == 5);
  }
  std::uint8_t* const last = x + (kRows - 1) * kStride + kColumns - 1;
  kernel.launch(nullptr, {Tensor(last, u8, {kRows, kColumns}, {-kStride, -1}), out});
  for (std::int64_t row = 0; row < kRows; ++row)
    CHECK(int{y[row * kColumns + kColumns - 8]} == kRows - row + 5);
}

TEST_CASE("rows further apart than 2^32 bytes are written") {
  constexpr std::int64_t kStride = 1'100'000'000;
  const Far memory(static_cast<std::size_t>(kRows * kStride) * sizeof(float));
  auto* const y = memory.begin<float>();
  float x[kRows * kColumns];
  for (int i = 0; i < kRows * kColumns; ++i)
    x[i] = static_cast<float>(i);
  const Kernel kernel =
      Device::open("cpu").kernel("kernel k(x: in f32, y: out f32) { y = x + 1; }", "");
  kernel.launch(nullptr, {Tensor(x, f32, {kRows, kColumns}),
                          Tensor(y, f32, {kRows, kColumns}, {kStride, 1})});
  for (std::int64_t row = 0; row < kRows; ++row)
    for (const std::int64_t column : {std::int64_t{0}, kColumns - 1})
      CHECK(y[row * kStride + column] == static_cast<float>(row * kColumns + column + 1));
}
