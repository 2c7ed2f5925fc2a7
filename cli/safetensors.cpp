// safetensors.cpp -- the safetensors format: named tensors in one file.
#include "cli/safetensors.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <unordered_set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/table.hpp"
#include "swage/error.hpp"
#include "swage/swage.hpp"

namespace swage::cli {

static_assert(std::endian::native == std::endian::little, "safetensors data is little endian");

namespace {

using Json = nlohmann::json;

/// Tensors of more dimensions than Swage takes may lie in a file beside those that are used.
constexpr std::size_t kMaxHeaderRank = 64;

/// The format's names of the storage types, by DType.
constexpr std::string_view kTypeNames[kDTypeCount] = {
    "F64", "F32",  "F16",     "BF16",    "I8",          "U8",          "I16",     "I32",
    "I64", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F8_E8M0", "F4"};

std::optional<DType> dtype_of(std::string_view name) {
  for (int i = 0; i < kDTypeCount; ++i)
    if (kTypeNames[i] == name)
      return static_cast<DType>(i);
  return std::nullopt;
}

/// Whether so many elements have so many bytes, and none but their own.
bool fills(DType type, std::int64_t elements, std::uint64_t bytes) {
  return static_cast<std::uint64_t>(bytes_of(type, elements)) == bytes &&
         (!is_packed(type) || elements % 2 == 0);
}

/// An entry as the header states it, nothing about it checked but its form.
struct HeaderEntry {
  std::string name;
  std::optional<std::string> dtype;
  std::optional<std::vector<std::uint64_t>> shape;
  std::optional<std::vector<std::uint64_t>> offsets;
};

/// Takes the header's JSON token by token: no document is built, so a hostile header costs no more
/// than the entries it states, and depth is bounded by the form of an entry.
class HeaderReader : public nlohmann::json_sax<Json> {
public:
  std::vector<HeaderEntry> entries;
  std::string problem;

  bool null() override { return scalar("null"); }
  bool boolean(bool) override { return scalar("a boolean"); }
  bool number_float(double, const std::string&) override { return scalar("a fraction"); }
  bool number_integer(std::int64_t) override { return scalar("a negative number"); }
  bool binary(Json::binary_t&) override { return scalar("binary data"); }

  bool number_unsigned(std::uint64_t value) override {
    if (state_ == State::metadata)
      return scalar("a number");
    if (state_ != State::shape && state_ != State::offsets)
      return scalar("a number");
    std::vector<std::uint64_t>& list =
        state_ == State::shape ? *entries.back().shape : *entries.back().offsets;
    const std::size_t limit = state_ == State::shape ? kMaxHeaderRank : 2;
    if (list.size() == limit)
      return fail(fmt::format("tensor '{}' has more than {} {}", printable(entries.back().name),
                              limit, state_ == State::shape ? "dimensions" : "data_offsets"));
    list.push_back(value);
    return true;
  }

  bool string(std::string& value) override {
    if (state_ == State::metadata)
      return true;
    if (state_ != State::entry || key_ != "dtype")
      return scalar("a string");
    entries.back().dtype = value;
    return true;
  }

  bool start_object(std::size_t) override {
    switch (state_) {
    case State::before: state_ = State::top; return true;
    case State::top:
      if (key_ == "__metadata__") {
        state_ = State::metadata;
        return true;
      }
      entries.push_back({key_, {}, {}, {}});
      state_ = State::entry;
      return true;
    default: return misplaced("an object");
    }
  }

  bool end_object() override {
    if (state_ == State::entry && !complete(entries.back()))
      return false;
    state_ = state_ == State::top ? State::after : State::top;
    return true;
  }

  bool start_array(std::size_t) override {
    if (state_ != State::entry || key_ == "dtype")
      return misplaced("an array");
    state_ = key_ == "shape" ? State::shape : State::offsets;
    (key_ == "shape" ? entries.back().shape : entries.back().offsets).emplace();
    return true;
  }

  bool end_array() override {
    state_ = State::entry;
    return true;
  }

  bool key(std::string& value) override {
    key_ = value;
    if (state_ == State::top && !names_.insert(value).second)
      return fail(fmt::format("the name '{}' twice", printable(value)));
    return state_ != State::entry || entry_key(entries.back());
  }

  bool parse_error(std::size_t at, const std::string&, const Json::exception&) override {
    // `at` counts the bytes read, the one that is wrong included; the header starts at byte 8.
    return fail(
        fmt::format("a header that is not JSON at byte {}{}", 8 + at - (at > 0 ? 1 : 0), place()));
  }

private:
  enum class State { before, top, metadata, entry, shape, offsets, after };

  bool fail(std::string found) {
    if (problem.empty())
      problem = std::move(found);
    return false;
  }

  bool scalar(std::string_view what) {
    if (state_ == State::before)
      return fail(fmt::format("{} for a header, where an object belongs", what));
    return misplaced(what);
  }

  /// A value that its place does not take.
  bool misplaced(std::string_view what) {
    if (state_ == State::before)
      return fail(fmt::format("{} for a header, where an object belongs", what));
    if (state_ == State::top)
      return fail(fmt::format("{} under '{}', where an object belongs", what, printable(key_)));
    const std::string_view expected = state_ == State::metadata ? "only strings are allowed"
                                      : key_ == "dtype"         ? "the name of a type belongs"
                                                                : "whole numbers from 0 up belong";
    return fail(fmt::format("{} under '{}'{}, where {}", what, printable(key_), place(), expected));
  }

  /// Where in the header it is: " in tensor 'gate'".
  std::string place() const {
    switch (state_) {
    case State::metadata: return " in __metadata__";
    case State::entry:
    case State::shape:
    case State::offsets: return fmt::format(" in tensor '{}'", printable(entries.back().name));
    default: return {};
    }
  }

  bool entry_key(const HeaderEntry& entry) {
    const bool known = key_ == "dtype" || key_ == "shape" || key_ == "data_offsets";
    const bool repeated = (key_ == "dtype" && entry.dtype) || (key_ == "shape" && entry.shape) ||
                          (key_ == "data_offsets" && entry.offsets);
    if (known && !repeated)
      return true;
    return fail(fmt::format("tensor '{}' has {} '{}'", printable(entry.name),
                            known ? "two keys" : "the unknown key", printable(key_)));
  }

  bool complete(const HeaderEntry& entry) {
    if (entry.dtype && entry.shape && entry.offsets && entry.offsets->size() == 2)
      return true;
    return fail(fmt::format("tensor '{}' lacks {}", printable(entry.name),
                            !entry.dtype     ? "its dtype"
                            : !entry.shape   ? "its shape"
                            : !entry.offsets ? "its data_offsets"
                                             : "one of two data_offsets"));
  }

  State state_ = State::before;
  std::string key_;
  std::unordered_set<std::string> names_;
};

class Checker {
public:
  Checker(std::span<const std::byte> data, const std::string& file) : data_(data), file_(file) {}

  [[noreturn]] void fail(const std::string& found) const {
    throw Error(ErrorCode::io,
                fmt::format("{} is not a valid safetensors file: found {}", file_, found));
  }

  SafetensorsEntry check(const HeaderEntry& header) const {
    const std::string shown = printable(header.name);
    const std::uint64_t begin = (*header.offsets)[0], end = (*header.offsets)[1];
    if (begin > end || end > data_.size())
      fail(fmt::format("tensor '{}' at bytes {} to {} of {}", shown, begin, end, data_.size()));

    SafetensorsEntry entry;
    entry.name = header.name;
    entry.dtype_name = *header.dtype;
    entry.dtype = dtype_of(*header.dtype);
    entry.data = data_.subspan(begin, end - begin);
    std::uint64_t elements = 1;
    for (const std::uint64_t size : *header.shape) {
      if (size > (std::uint64_t{1} << 60) || __builtin_mul_overflow(elements, size, &elements) ||
          elements > (std::uint64_t{1} << 59))
        fail(fmt::format("tensor '{}' with more elements than a file can hold", shown));
      entry.shape.push_back(static_cast<std::int64_t>(size));
    }
    if (entry.dtype && !fills(*entry.dtype, static_cast<std::int64_t>(elements), end - begin))
      fail(fmt::format("tensor '{}' of {} elements of {} in {} bytes", shown, elements,
                       entry.dtype_name, end - begin));
    return entry;
  }

  /// Tensors in the order of their bytes must touch each other and fill the data.
  void check_cover(std::span<const SafetensorsEntry> entries) const {
    const std::byte* at = data_.data();
    for (const SafetensorsEntry& entry : entries) {
      if (entry.data.data() != at)
        fail(fmt::format("{} tensor '{}'",
                         entry.data.data() < at ? "other data that overlaps" : "a gap before",
                         printable(entry.name)));
      at += entry.data.size();
    }
    if (at != data_.data() + data_.size())
      fail(fmt::format("{} bytes after the last tensor", data_.data() + data_.size() - at));
  }

private:
  std::span<const std::byte> data_;
  const std::string& file_;
};

std::string make_header(std::span<const SafetensorsTensor> tensors) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  std::uint64_t offset = 0;
  for (const SafetensorsTensor& tensor : tensors) {
    header[tensor.name] = {{"dtype", kTypeNames[static_cast<int>(tensor.dtype)]},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, offset + tensor.data.size()}}};
    offset += tensor.data.size();
  }
  std::string text = header.dump();
  // The data begins at a multiple of 8 bytes; the format lets spaces fill the header up.
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

} // namespace

std::vector<SafetensorsEntry> parse_safetensors(std::span<const std::byte> bytes,
                                                const std::string& file) {
  const Checker whole(bytes, file);
  std::uint64_t length = 0;
  if (bytes.size() < sizeof length)
    whole.fail(fmt::format("{} bytes, where a header length of 8 bytes belongs", bytes.size()));
  std::memcpy(&length, bytes.data(), sizeof length);
  bytes = bytes.subspan(sizeof length);
  if (length > kMaxSafetensorsHeader)
    whole.fail(
        fmt::format("a header of {} bytes; at most {} are allowed", length, kMaxSafetensorsHeader));
  if (length > bytes.size())
    whole.fail(fmt::format("a header of {} bytes in a file with {} left", length, bytes.size()));

  HeaderReader reader;
  const char* text = reinterpret_cast<const char*>(bytes.data());
  if (!Json::sax_parse(text, text + length, &reader))
    whole.fail(reader.problem.empty() ? "a header that is not JSON" : reader.problem);

  const Checker checker(bytes.subspan(length), file);
  std::vector<SafetensorsEntry> entries;
  for (const HeaderEntry& header : reader.entries)
    entries.push_back(checker.check(header));
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return a.data.data() != b.data.data() ? a.data.data() < b.data.data()
                                          : a.data.size() < b.data.size();
  });
  checker.check_cover(entries);
  return entries;
}

std::span<const std::byte> load(const SafetensorsEntry& entry) {
  if (entry.image)
    entry.image->read(entry.data);
  return entry.data;
}

SafetensorsFile::SafetensorsFile(const std::string& path)
    : path_(path), image_(std::make_unique<FileImage>(path)) {
  const std::span<const std::byte> bytes = image_->bytes();
  std::uint64_t length = 0;
  if (bytes.size() >= sizeof length) {
    image_->read(bytes.first(sizeof length));
    std::memcpy(&length, bytes.data(), sizeof length);
    // A length beyond the file or the bound is the parser's to refuse, which then looks no further.
    if (length <= std::min<std::uint64_t>(kMaxSafetensorsHeader, bytes.size() - sizeof length))
      image_->read(bytes.first(sizeof length + length));
  }
  entries_ = parse_safetensors(bytes, path);
  for (SafetensorsEntry& entry : entries_)
    entry.image = image_.get();
}

const SafetensorsEntry* SafetensorsFile::find(std::string_view name) const noexcept {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const SafetensorsEntry& e) { return e.name == name; });
  return found == entries_.end() ? nullptr : &*found;
}

void write_safetensors(const std::string& path, std::vector<SafetensorsTensor> tensors) {
  std::stable_sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    return size_of(a.dtype) > size_of(b.dtype);
  });
  const std::string header = make_header(tensors);
  write_file(path, [&](FileWriter& file) {
    const std::uint64_t length = header.size();
    file.write(std::as_bytes(std::span(&length, 1)));
    file.write(header);
    for (const SafetensorsTensor& tensor : tensors)
      file.write(tensor.data);
  });
}

} // namespace swage::cli
