// envelope.hpp -- what stands around the fields of a file of Swage's: who made it, in which format,
// how long it is, and a checksum.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace swage::store {

/// magic, number of the format, bytes of all, the fields, checksum of all before it.
struct Envelope {
  std::string_view magic; ///< 8 bytes
  std::uint32_t number;   ///< of the format
  const char* what;       ///< "an entry", for messages
  const char* whole;      ///< "a cache entry of Swage", likewise
};

/// Equal fields give equal bytes.
std::string seal(const Envelope& envelope, std::string_view fields);

struct Unsealed {
  std::string_view fields; ///< within the bytes; meaningless where something is wrong
  std::optional<std::uint32_t>
      other_number;   ///< the format's, where it is another; the rest is not looked at
  std::string defect; ///< what else is wrong; empty where nothing is
};
/// Never reads outside `bytes`.
Unsealed unseal(const Envelope& envelope, std::string_view bytes);

} // namespace swage::store
