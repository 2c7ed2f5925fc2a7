// safetensors.cpp -- whatever the bytes, a file is refused as such or gives tensors inside it.
#include <cstdlib>
#include <cstring>
#include <string>

#include "cli/safetensors.hpp"
#include "swage/error.hpp"

namespace {

using namespace swage;

void check(std::span<const std::byte> bytes) {
  try {
    for (const cli::SafetensorsEntry& entry : cli::parse_safetensors(bytes, "a")) {
      if (entry.data.data() < bytes.data() ||
          entry.data.data() + entry.data.size() > bytes.data() + bytes.size())
        std::abort();
      std::int64_t elements = 1;
      for (const std::int64_t size : entry.shape)
        elements *= size;
      if (entry.dtype &&
          static_cast<std::size_t>(elements * size_of(*entry.dtype)) != entry.data.size())
        std::abort();
    }
  } catch (const Error& error) {
    if (error.code() != ErrorCode::io)
      std::abort();
  }
}

} // namespace

// The input is the file as it is, and again as a header whose length is right: few inputs would get
// that far by themselves. What follows the last brace is then the data.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  check(std::as_bytes(std::span(data, size)));
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::uint64_t length = text.rfind('}') + 1;
  std::string file(sizeof length, '\0');
  std::memcpy(file.data(), &length, sizeof length);
  file += text;
  check(std::as_bytes(std::span(file.data(), file.size())));
  return 0;
}
