// code_blob_test.cpp -- object files as LLVM wrote them, linked and run without it.
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include "runtime/host/code_blob.hpp"
#include "runtime/host/code_object.hpp"
#include "swage/error.hpp"
#include "tests/support/catch.hpp"

using namespace swage::host;

namespace {

using Bytes = std::vector<std::byte>;

Bytes fixture(const std::string& name) {
  std::ifstream in(SWAGE_SOURCE_DIR "/tests/fixtures/objects/" + name, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  Bytes bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  REQUIRE(!bytes.empty());
  return bytes;
}

#if defined(__x86_64__)
const std::string kHere = ".x86_64.o", kElsewhere = ".aarch64.o";
#else
const std::string kHere = ".aarch64.o", kElsewhere = ".x86_64.o";
#endif

template <class Function>
Function* function_of(const CodeBlob& blob) {
  return reinterpret_cast<Function*>(blob.entry());
}

// Linked to run at an address of the test's choice; functions outside lie at known far addresses.
struct Linked {
  Bytes bytes;
  CodeObject object;
  std::uint64_t address;
  Bytes image;

  static std::uint64_t far_away(std::string_view name) { return 0x7700000000 + name.size(); }

  explicit Linked(Bytes file, std::uint64_t at = 0x10000000)
      : bytes(std::move(file)), object(bytes, 4096), address(at), image(object.image_bytes()) {
    object.link(image, address, far_away);
  }
  template <class Value>
  Value at(std::uint64_t place) const {
    REQUIRE(place - address + sizeof(Value) <= image.size());
    Value value;
    std::memcpy(&value, image.data() + (place - address), sizeof value);
    return value;
  }
  std::uint64_t place(std::string_view function, std::uint64_t offset) const {
    return address + object.offset_of(function) + offset;
  }
};

std::int64_t sign_extend(std::uint64_t value, int bits) {
  return static_cast<std::int64_t>(value << (64 - bits)) >> (64 - bits);
}

// What the adrp at `place` and the instruction with the low twelve bits at `low` refer to.
std::uint64_t adrp_target(const Linked& linked, std::uint64_t place, std::uint64_t low,
                          int log2_bytes) {
  const auto adrp = linked.at<std::uint32_t>(place), second = linked.at<std::uint32_t>(low);
  const std::uint64_t pages = (adrp >> 29 & 3) | (adrp >> 5 & 0x7ffff) << 2;
  return (place & ~std::uint64_t{0xfff}) +
         static_cast<std::uint64_t>(sign_extend(pages, 21)) * 4096 +
         (std::uint64_t{second >> 10 & 0xfff} << log2_bytes);
}

const float kScale[4] = {1.5F, 2.5F, 3.5F, 4.5F};

} // namespace

TEST_CASE("code with constants and a table runs and gives what it says") {
  const auto blob = CodeBlob::load(fixture("scale" + kHere), "scale");
  std::vector<float> x(32), y(32, -1);
  for (int i = 0; i < 32; ++i)
    x[static_cast<std::size_t>(i)] = static_cast<float>(i);
  const void* words[2] = {x.data(), y.data()};
  function_of<void(const void* const*, std::int64_t, std::int64_t)> (*blob)(words, 4, 28);
  for (std::size_t i = 0; i < 32; ++i) {
    const auto step = i / 4 * 4;
    const float expected =
        i < 4 || i >= 28 ? -1 : x[i] * kScale[i % 4] + static_cast<float>(step % 8 + 1);
    CHECK(y[i] == expected);
  }
}

TEST_CASE("code calls the functions that kernels may call, near or far") {
  const Bytes object = fixture("scale" + kHere);
  const auto copy = CodeBlob::load(object, "copy");
  char to[6] = "-----";
  function_of<void(char*, const char*, std::size_t)> (*copy)(to, "abcde", 3);
  CHECK(std::string(to) == "abc--");
  const auto address = CodeBlob::load(object, "address_of_memcpy");
  CHECK(function_of<void*()>(*address)() ==
        reinterpret_cast<void*>(static_cast<void* (*)(void*, const void*, std::size_t)>(memcpy)));
  const auto fused = CodeBlob::load(object, "fused");
  const float tiny = std::ldexp(1.0F, -23);
  CHECK(function_of<float(float, float, float)>(*fused)(1 + tiny, 1 - tiny, -1) == -tiny * tiny);
}

TEST_CASE("variables are each object's own and can be written") {
  const Bytes object = fixture("scale" + kHere);
  const auto a = CodeBlob::load(object, "count"), b = CodeBlob::load(object, "count");
  CHECK(function_of<int()>(*a)() == 42);
  CHECK(function_of<int()>(*a)() == 43);
  CHECK(function_of<int()>(*b)() == 42);
}

TEST_CASE("code stays while something refers to it") {
  std::shared_ptr<const CodeBlob> kept;
  {
    const auto blob = CodeBlob::load(fixture("scale" + kHere), "count");
    kept = blob;
    CHECK(blob->bytes() >= 3 * 4096);
  }
  CHECK(function_of<int()>(*kept)() == 42);
}

TEST_CASE("what cannot be loaded is an error that says why") {
  const auto message = [](const Bytes& object, const char* entry) -> std::string {
    try {
      CodeBlob::load(object, entry);
    } catch (const swage::Error& error) {
      return error.what();
    }
    return "loaded";
  };
  CHECK(message(fixture("scale" + kHere), "absent").find("no function 'absent'") !=
        std::string::npos);
  CHECK(message(fixture("scale" + kHere), "table").find("no function 'table'") !=
        std::string::npos);
  CHECK(message(fixture("calls_unknown" + kHere), "entry").find("needs 'system'") !=
        std::string::npos);
  CHECK(message(fixture("scale" + kElsewhere), "scale").find("another machine") !=
        std::string::npos);
  CHECK(message({}, "scale").find("cannot be loaded") != std::string::npos);
}

TEST_CASE("x86-64 relocations reach constants, tables, stubs and pointers") {
  const Linked linked(fixture("scale.x86_64.o"));
  const auto relative = [&](std::uint64_t place) {
    return place + 4 + static_cast<std::uint64_t>(std::int64_t{linked.at<std::int32_t>(place)});
  };
  const std::uint64_t constants = relative(linked.place("scale", 0x0f));
  const std::uint64_t table = relative(linked.place("scale", 0x16));
  CHECK(constants % 16 == 0);
  for (std::uint64_t i = 0; i < 4; ++i)
    CHECK(linked.at<float>(constants + 4 * i) == kScale[i]);
  for (std::uint64_t i = 0; i < 8; ++i)
    CHECK(linked.at<float>(table + 4 * i) == static_cast<float>(i + 1));

  const std::uint64_t stub = relative(linked.place("copy", 0x02));
  CHECK(linked.at<std::uint64_t>(stub) == 0x0b0f0000000225ff);
  CHECK(linked.at<std::uint64_t>(stub + 8) == Linked::far_away("memcpy"));
  const std::uint64_t pointer = relative(linked.place("address_of_memcpy", 0x03));
  CHECK(linked.at<std::uint64_t>(pointer) == Linked::far_away("memcpy"));
}

TEST_CASE("AArch64 relocations reach constants, tables, stubs, pointers and variables") {
  // An address whose page differences are neither small nor all positive in the low bits.
  const Linked linked(fixture("scale.aarch64.o"), 0x7fffff000);
  const auto at = [&](const char* function, std::uint64_t offset) {
    return linked.place(function, offset);
  };
  const auto constants = adrp_target(linked, at("scale", 0x10), at("scale", 0x14), 4);
  const auto table = adrp_target(linked, at("scale", 0x20), at("scale", 0x24), 0);
  for (std::uint64_t i = 0; i < 4; ++i)
    CHECK(linked.at<float>(constants + 4 * i) == kScale[i]);
  for (std::uint64_t i = 0; i < 8; ++i)
    CHECK(linked.at<float>(table + 4 * i) == static_cast<float>(i + 1));

  const std::uint64_t branch = at("copy", 0x04);
  const auto call = linked.at<std::uint32_t>(branch);
  CHECK(call >> 26 == 0x25); // bl
  const std::uint64_t stub =
      branch + static_cast<std::uint64_t>(sign_extend(call & 0x3ffffff, 26)) * 4;
  CHECK(linked.at<std::uint32_t>(stub) == 0x58000050);     // ldr x16, 8
  CHECK(linked.at<std::uint32_t>(stub + 4) == 0xd61f0200); // br x16
  CHECK(linked.at<std::uint64_t>(stub + 8) == Linked::far_away("memcpy"));

  const auto pointer =
      adrp_target(linked, at("address_of_memcpy", 0x00), at("address_of_memcpy", 0x04), 3);
  CHECK(linked.at<std::uint64_t>(pointer) == Linked::far_away("memcpy"));
  const auto counter = adrp_target(linked, at("count", 0x00), at("count", 0x08), 2);
  CHECK(linked.at<std::int32_t>(counter) == 41);
  CHECK(linked.at<std::uint32_t>(at("count", 0x18)) >> 10 ==
        (0xb900010aU >> 10 | (counter & 0xfff) >> 2)); // str w0, [x8, low bits]
}

TEST_CASE("no object, however malformed, makes the linker read or write outside") {
  for (const char* name : {"scale.x86_64.o", "scale.aarch64.o"}) {
    const Bytes good = fixture(name);
    int refused = 0;
    const auto try_to_link = [&](const Bytes& bytes) {
      try {
        const Linked linked(bytes);
        linked.object.offset_of("scale");
      } catch (const swage::Error&) {
        ++refused;
      }
    };
    for (std::size_t at = 0; at < good.size(); ++at)
      for (const unsigned change : {0x01U, 0x80U, 0xffU}) {
        Bytes bad = good;
        bad[at] ^= static_cast<std::byte>(change);
        try_to_link(bad);
      }
    CHECK(refused > 1000);
    for (std::size_t size = 0; size < good.size(); ++size)
      try_to_link(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)));
    // Every field of eight bytes at its largest.
    for (std::size_t at = 0; at + 8 <= good.size(); at += 4) {
      Bytes bad = good;
      std::memset(bad.data() + at, 0xff, 8);
      try_to_link(bad);
      std::memset(bad.data() + at + 7, 0x7f, 1);
      try_to_link(bad);
    }
  }
}
