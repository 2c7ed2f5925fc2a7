// safetensors_test.cpp -- the file format: what PyTorch writes, and what nobody should.
#include "tests/support/catch.hpp"

#include <cstring>
#include <filesystem>
#include <memory>
#include <sys/stat.h>

#include "cli/safetensors.hpp"
#include "swage/error.hpp"
#include "tests/cli/subprocess.hpp"

using namespace swage;
using namespace swage::cli;
using test::read_text;
using test::TemporaryFolder;
using test::write_text;

namespace {

/// A file of this header and so many bytes of data.
std::string made(const std::string& header, std::size_t data) {
  const std::uint64_t length = header.size();
  std::string file(sizeof length, '\0');
  std::memcpy(file.data(), &length, sizeof length);
  return file + header + std::string(data, '\1');
}

std::vector<SafetensorsEntry> parse(const std::string& file) {
  return parse_safetensors(std::as_bytes(std::span(file.data(), file.size())), "a.safetensors");
}

/// The message with which a file is refused; "" if it is taken.
std::string refusal(const std::string& file) {
  // A copy of exactly this size, so that a read past the end is seen by the sanitizer.
  const std::unique_ptr<std::byte[]> copy(new std::byte[file.size()]);
  std::memcpy(copy.get(), file.data(), file.size());
  try {
    parse_safetensors({copy.get(), file.size()}, "a.safetensors");
    return "";
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::io);
    return error.what();
  }
}

std::string entry(const std::string& shape, std::uint64_t begin, std::uint64_t end,
                  const std::string& dtype = "F32") {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":[)" +
         std::to_string(begin) + "," + std::to_string(end) + "]}";
}

std::string fixture() {
  return std::string(SWAGE_SOURCE_DIR) + "/tests/fixtures/pytorch.safetensors";
}

} // namespace

TEST_CASE("a file that PyTorch and the safetensors package wrote is read") {
  const SafetensorsFile file(fixture());
  REQUIRE(file.entries().size() == 4);
  const SafetensorsEntry* gate = file.find("gate");
  REQUIRE(gate != nullptr);
  CHECK(gate->dtype == bf16);
  CHECK(gate->shape == Shape{2, 3});
  const std::uint16_t bits[6] = {0x3f80, 0xc020, 0x0000, 0x4040, 0x7f80, 0x8000};
  REQUIRE(gate->data.size() == sizeof bits);
  CHECK(std::memcmp(load(*gate).data(), bits, sizeof bits) == 0);
  CHECK(file.find("count")->dtype == i64);
  CHECK(file.find("flag")->shape.empty());
  CHECK(file.find("flag")->dtype == boolean);
  CHECK(file.find("empty")->shape == Shape{0, 4});
  CHECK(file.find("__metadata__") == nullptr);
  CHECK(file.find("up") == nullptr);
}

TEST_CASE("what is written reads back, every type, wider types first and aligned") {
  const TemporaryFolder folder;
  std::vector<std::byte> data(64);
  for (std::size_t i = 0; i < data.size(); ++i)
    data[i] = static_cast<std::byte>(i);
  std::vector<SafetensorsTensor> tensors;
  for (int t = kDTypeCount; t-- > 0;) {
    const DType type = static_cast<DType>(t);
    tensors.push_back({std::string(name_of(type)),
                       type,
                       {1, 4},
                       std::span(data).first(static_cast<std::size_t>(bytes_of(type, 4)))});
  }
  write_safetensors(folder.file("a"), tensors);

  const SafetensorsFile file(folder.file("a"));
  REQUIRE(file.entries().size() == kDTypeCount);
  const std::byte* start = file.entries().front().data.data();
  for (const SafetensorsTensor& tensor : tensors) {
    const SafetensorsEntry* found = file.find(tensor.name);
    REQUIRE(found != nullptr);
    CHECK(found->dtype == tensor.dtype);
    CHECK(found->shape == tensor.shape);
    REQUIRE(found->data.size() == tensor.data.size());
    CHECK(std::memcmp(load(*found).data(), tensor.data.data(), tensor.data.size()) == 0);
    CHECK((found->data.data() - start) % size_of(tensor.dtype) == 0);
  }
  std::uint64_t length = 0;
  const std::string text = read_text(folder.file("a"));
  std::memcpy(&length, text.data(), sizeof length);
  CHECK(length % 8 == 0);
}

TEST_CASE("a file without tensors is valid") {
  CHECK(parse(made("{}", 0)).empty());
  CHECK(parse(made(R"({"__metadata__":{"format":"pt"}}  )", 0)).empty());
}

TEST_CASE("a type that Swage does not store is listed without a dtype") {
  const auto entries = parse(made(R"({"q":)" + entry("[4]", 0, 4, "F6_E2M3") + "}", 4));
  REQUIRE(entries.size() == 1);
  CHECK_FALSE(entries[0].dtype.has_value());
  CHECK(entries[0].dtype_name == "F6_E2M3");
}

TEST_CASE("every truncation of a file is refused") {
  const std::string whole = read_text(fixture());
  REQUIRE(refusal(whole).empty());
  for (std::size_t length = 0; length < whole.size(); ++length) {
    INFO(length);
    CHECK_FALSE(refusal(whole.substr(0, length)).empty());
  }
}

TEST_CASE("every change of a byte is refused or gives a file that holds together") {
  const std::string whole = read_text(fixture());
  for (std::size_t at = 0; at < whole.size(); ++at)
    for (const int change : {0x01, 0x02, 0x10, 0x20, 0x80, 0xff}) {
      std::string broken = whole;
      broken[at] = static_cast<char>(broken[at] ^ change);
      try {
        for (const SafetensorsEntry& found : parse(broken)) {
          REQUIRE(found.data.size() <= broken.size());
          if (found.dtype)
            REQUIRE(static_cast<std::int64_t>(found.data.size()) ==
                    bytes_of(*found.dtype, element_count(found.shape)));
        }
      } catch (const Error& error) {
        REQUIRE(error.code() == ErrorCode::io);
      }
    }
}

TEST_CASE("a broken header is refused with what was found") {
  const auto found = [](const std::string& file, const char* text) {
    const std::string message = refusal(file);
    INFO(message);
    CHECK(message.find(text) != message.npos);
  };
  found("", "0 bytes, where a header length");
  found(std::string(8, '\xff'), "at most 100000000 are allowed");
  found(std::string("\x10\0\0\0\0\0\0\0{}", 10), "a header of 16 bytes in a file with 2 left");
  found(made("", 0), "not JSON");
  found(made("{", 0), "not JSON");
  found(made("[]", 0), "an array for a header");
  found(made("1", 0), "a number for a header");
  found(made("{}{}", 0), "not JSON");
  found(made("{\"\xff\":{}}", 0), "not JSON");
  found(made(R"({"a":1})", 0), "a number under 'a', where an object belongs");
  found(made(R"({"a":{"b":{}}})", 0), "unknown key 'b'");
  found(made(R"({"a":{"dtype":{}}})", 0), "an object under 'dtype' in tensor 'a'");
  found(made(R"({"a":{"shape":[[1]]}})", 0), "an array under 'shape' in tensor 'a'");
  found(made(R"({"a":{"shape":null}})", 0), "null under 'shape' in tensor 'a'");
  found(made(R"({"a":{"data_offsets":"0,4"}})", 0), "a string under 'data_offsets' in tensor 'a'");
  found(made(R"({"a":{"shape":[1,]}})", 0), "not JSON at byte 25 in tensor 'a'");
  found(made(R"({"a":{}})", 0), "lacks its dtype");
  found(made(R"({"a":{"dtype":"F32","shape":[1]}})", 4), "lacks its data_offsets");
  found(made(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4), "one of two");
  found(made(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}})", 4), "more than 2");
  found(made(R"({"a":{"dtype":"F32","dtype":"F32"}})", 0), "two keys 'dtype'");
  found(made(R"({"a":)" + entry("[-1]", 0, 4) + "}", 4),
        "a negative number under 'shape' in tensor 'a'");
  found(made(R"({"a":)" + entry("[1.5]", 0, 4) + "}", 4), "a fraction under 'shape' in tensor 'a'");
  found(made(R"({"a":)" + entry("[99999999999999999999]", 0, 4) + "}", 4), "a fraction");
  found(made(R"({"__metadata__":{"n":1}})", 0), "a number under 'n' in __metadata__");
  found(made(R"({"__metadata__":{"n":{}}})", 0), "an object under 'n' in __metadata__");
  found(made(R"({"__metadata__":{"n":[]}})", 0), "an array under 'n' in __metadata__");
  found(made(R"({"__metadata__":null})", 0), "null under '__metadata__'");
  found(made(R"({"a":)" + entry("[1]", 0, 4) + R"(,"a":)" + entry("[1]", 4, 8) + "}", 8),
        "the name 'a' twice");
}

TEST_CASE("offsets and sizes that do not fit are refused") {
  const auto found = [](const std::string& header, std::size_t data, const char* text) {
    const std::string message = refusal(made(header, data));
    INFO(message);
    CHECK(message.find(text) != message.npos);
  };
  const auto one = [](const std::string& value) { return R"({"a":)" + value + "}"; };
  const auto two = [](const std::string& a, const std::string& b) {
    return R"({"a":)" + a + R"(,"b":)" + b + "}";
  };
  CHECK(refusal(made(two(entry("[1]", 4, 8), entry("[1]", 0, 4)), 8)).empty());
  found(one(entry("[1]", 0, 4)), 3, "at bytes 0 to 4 of 3");
  found(one(entry("[1]", 4, 0)), 8, "at bytes 4 to 0 of 8");
  found(one(entry("[1]", 0, 18446744073709551615u)), 8, "at bytes 0 to 18446744073709551615");
  found(one(entry("[2]", 0, 4)), 4, "2 elements of F32 in 4 bytes");
  found(one(entry("[]", 0, 8)), 8, "1 elements of F32 in 8 bytes");
  found(one(entry("[4294967296,4294967296]", 0, 0)), 0, "more elements than a file can hold");
  found(one(entry("[18446744073709551615]", 0, 4)), 4, "more elements than a file can hold");
  CHECK(refusal(made(one(entry("[1,1,1,1,1,1,1,1,1,1]", 0, 4)), 4)).empty()); // none need use it
  CHECK(refusal(made(two(entry("[0,3]", 0, 0), entry("[]", 0, 4)), 4)).empty());
  std::string ones = "1";
  for (int i = 1; i < 65; ++i)
    ones += ",1";
  found(one(entry("[" + ones + "]", 0, 4)), 4, "more than 64 dimensions");
  found(two(entry("[2]", 0, 8), entry("[1]", 4, 8)), 8, "overlaps tensor 'b'");
  found(two(entry("[1]", 0, 4), entry("[1]", 0, 4)), 4, "overlaps tensor 'b'");
  found(two(entry("[1]", 0, 4), entry("[1]", 8, 12)), 12, "a gap before tensor 'b'");
  found(one(entry("[1]", 4, 8)), 8, "a gap before tensor 'a'");
  found(one(entry("[1]", 0, 4)), 5, "1 bytes after the last tensor");
}

TEST_CASE("a deeply nested header is refused without deep recursion") {
  CHECK_FALSE(refusal(made(std::string(1'000'000, '['), 0)).empty());
  std::string objects;
  for (int i = 0; i < 100'000; ++i)
    objects += R"({"a":)";
  CHECK_FALSE(refusal(made(objects, 0)).empty());
}

TEST_CASE("names from a file cannot drive the terminal through an error message") {
  const std::string message = refusal(made(R"({"\u001b[31m":)" + entry("[2]", 0, 4) + "}", 4));
  CHECK(message.find('\033') == message.npos);
  CHECK(message.find("?[31m") != message.npos);
}

TEST_CASE("what is not a readable regular file is refused by name") {
  const TemporaryFolder folder;
  for (const std::string& path :
       {folder.file("missing"), folder.path(), std::string("/dev/null")}) {
    INFO(path);
    try {
      SafetensorsFile file(path);
      FAIL("was read");
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::io);
      CHECK(std::string(error.what()).find(path) != std::string::npos);
    }
  }
  write_text(folder.file("empty"), "");
  CHECK_THROWS_AS(SafetensorsFile(folder.file("empty")), Error);
}

TEST_CASE("a file that is truncated while it is read is an error and no signal") {
  const TemporaryFolder folder;
  const std::vector<std::byte> data(1 << 16);
  const Shape shape{1 << 14};
  write_safetensors(folder.file("a"), {{"first", f32, shape, data}, {"last", f32, shape, data}});
  const SafetensorsFile file(folder.file("a"));
  std::filesystem::resize_file(folder.file("a"), (1 << 16) + 4096);
  CHECK(load(*file.find("first")).size() == data.size());
  try {
    load(*file.find("last"));
    FAIL("was read");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::io);
    CHECK_THAT(error.what(), Catch::Matchers::Contains(folder.file("a")) &&
                                 Catch::Matchers::Contains("truncated while it was read"));
  }
}

TEST_CASE("a write that fails leaves the old file and nothing beside it") {
  const TemporaryFolder folder;
  write_text(folder.file("a"), "old");
  CHECK_THROWS_AS(write_file(folder.file("a"),
                             [](FileWriter& file) {
                               file.write("new");
                               throw Error(ErrorCode::io, "the disk is full");
                             }),
                  Error);
  CHECK(read_text(folder.file("a")) == "old");
  const std::filesystem::directory_iterator files(folder.path());
  CHECK(std::distance(begin(files), end(files)) == 1);
}

TEST_CASE("writing keeps permissions, follows symbolic links and spares devices") {
  const TemporaryFolder folder;
  const auto write = [](const std::string& path) {
    write_file(path, [](FileWriter& file) { file.write("new"); });
  };
  write_text(folder.file("a"), "old");
  std::filesystem::permissions(folder.file("a"), std::filesystem::perms(0640));
  std::filesystem::create_symlink("a", folder.file("link"));
  write(folder.file("link"));
  CHECK(std::filesystem::is_symlink(folder.file("link")));
  CHECK(read_text(folder.file("a")) == "new");
  CHECK(std::filesystem::status(folder.file("a")).permissions() == std::filesystem::perms(0640));

  const mode_t mask = ::umask(022);
  write(folder.file("fresh"));
  ::umask(mask);
  CHECK(std::filesystem::status(folder.file("fresh")).permissions() ==
        std::filesystem::perms(0644));

  write("/dev/null");
  CHECK(std::filesystem::is_character_file("/dev/null"));
  CHECK_THROWS_AS(write(folder.path()), Error);
  CHECK_THROWS_AS(write(folder.file("missing/a")), Error);
}
