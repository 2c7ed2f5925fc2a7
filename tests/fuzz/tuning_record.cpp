// tuning_record.cpp -- whatever the bytes, a line is refused as no record or reads back as it
// writes.
#include <cstdlib>
#include <string_view>

#include "runtime/tune/tuning_records.hpp"
#include "swage/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace swage;
  try {
    const std::string line =
        tune::to_line(tune::record_from_line({reinterpret_cast<const char*>(data), size}));
    if (tune::to_line(tune::record_from_line(line)) != line)
      std::abort();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::invalid_argument)
      std::abort();
  }
  return 0;
}
