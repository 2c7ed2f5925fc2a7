// envelope.cpp -- the header and the checksum of a file of Swage's.
#include "runtime/store/envelope.hpp"

#include <cstring>

#include <fmt/format.h>

#include "runtime/base/digest.hpp"
#include "runtime/store/bytes.hpp"

namespace swage::store {

namespace {

constexpr std::size_t kMagicBytes = 8;
constexpr std::size_t kHeaderBytes = kMagicBytes + 4 + 8;
constexpr std::size_t kChecksumBytes = sizeof(base::Digest);

} // namespace

std::string seal(const Envelope& envelope, std::string_view fields) {
  const std::size_t size = kHeaderBytes + fields.size() + kChecksumBytes;
  std::string bytes;
  bytes.reserve(size);
  ByteWriter out(bytes);
  out.bytes(envelope.magic);
  out.u32(envelope.number);
  out.u64(size);
  out.bytes(fields);
  const base::Digest sum = base::checksum(bytes);
  out.bytes({reinterpret_cast<const char*>(sum.data()), sum.size()});
  return bytes;
}

Unsealed unseal(const Envelope& envelope, std::string_view bytes) {
  const auto defect = [](std::string message) { return Unsealed{{}, {}, std::move(message)}; };
  if (bytes.size() < kHeaderBytes + kChecksumBytes)
    return defect(fmt::format("{} bytes are too few for {}", bytes.size(), envelope.what));
  ByteReader header(bytes);
  if (header.bytes(kMagicBytes) != envelope.magic)
    return defect(fmt::format("this is not {}", envelope.whole));
  if (const auto number = header.u32(); number != envelope.number)
    return {{}, number, {}};
  if (const auto size = header.u64(); size != bytes.size())
    return defect(fmt::format("{} bytes of {}", bytes.size(), size));
  const auto covered = bytes.substr(0, bytes.size() - kChecksumBytes);
  const base::Digest sum = base::checksum(covered);
  if (std::memcmp(sum.data(), bytes.data() + covered.size(), sum.size()) != 0)
    return defect("the checksum does not match");
  return {covered.substr(kHeaderBytes), {}, {}};
}

} // namespace swage::store
