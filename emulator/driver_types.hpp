// driver_types.hpp -- results and structures of the CUDA driver API, as its callers lay them out.
#pragma once

#include <cstddef>
#include <cstdint>

namespace swage::fake {

enum class Result : int {
#define FAKE_RESULT(name, value, identifier, text) name = value,
#include "emulator/driver_results.def"
};

using DevicePointer = unsigned long long;

enum class CaptureStatus : int { none, active, invalidated };
enum class CaptureMode : int { global, thread_local_, relaxed };

inline constexpr unsigned kEventDisableTiming = 2;
inline constexpr unsigned kEventRecordExternal = 1;
inline constexpr unsigned kStreamNonBlocking = 1;
inline constexpr int kAttributeProgrammatic = 6;
inline constexpr int kInputPtx = 1;

struct Uuid {
  unsigned char bytes[16];
};

struct LaunchAttribute {
  int id;
  char padding[4];
  union {
    char bytes[64];
    void* alignment;
    int value;
  };
};

struct Stream;

struct LaunchParameters {
  unsigned grid[3];
  unsigned block[3];
  unsigned shared_bytes;
  Stream* stream;
  LaunchAttribute* attributes;
  unsigned attribute_count;
};

static_assert(sizeof(LaunchAttribute) == 72 && sizeof(LaunchParameters) == 56);

} // namespace swage::fake
