// units.hpp -- numbers as people read them: bytes, seconds, bytes per second.
#pragma once

#include <cstdint>
#include <string>

#include "swage/dtype.hpp"

namespace swage::cli {

std::string format_bytes(std::int64_t bytes);        ///< "352 MB": powers of 1000
std::string format_memory(std::int64_t bytes);       ///< "141 GiB": powers of 1024
std::string format_seconds(double seconds);          ///< "42.10 us"
std::string format_rate(double bytes_per_second);    ///< "4183 GB/s"; "-" for 0, not known
std::string format_count(std::int64_t count);        ///< "58 720 256"
std::string format_number(double value, int digits); ///< fixed; "inf" and "nan" as such

/// A value of `type` with as many digits as tell it from its neighbours.
std::string format_value(DType type, std::uint64_t bits);

} // namespace swage::cli
