// sealed.hpp -- any bytes as the fields of a file whose header and checksum are right, which a
// mutation never gets by itself.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "runtime/base/digest.hpp"

/// `like`: an encoded file, for its magic and number.
inline std::string sealed(const std::string& like, const std::string& fields) {
  constexpr std::size_t kHeader = 20; // magic, number, size
  std::string file = like.substr(0, kHeader) + fields;
  const std::uint64_t total = file.size() + sizeof(swage::base::Digest);
  std::memcpy(file.data() + 12, &total, sizeof total);
  const swage::base::Digest sum = swage::base::checksum(file);
  file.append(reinterpret_cast<const char*>(sum.data()), sum.size());
  return file;
}
