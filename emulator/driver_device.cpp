// driver_device.cpp -- entry points: initialisation, errors and devices.
#include "emulator/driver_state.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

using namespace swage::fake;

namespace {

struct ResultRow {
  int value;
  const char* name;
  const char* text;
};

constexpr ResultRow kResults[] = {
#define FAKE_RESULT(name, value, identifier, text) {value, identifier, text},
#include "emulator/driver_results.def"
};

const ResultRow* find_result(int value) {
  const auto* const found = std::find_if(std::begin(kResults), std::end(kResults),
                                         [=](const ResultRow& row) { return row.value == value; });
  return found == std::end(kResults) ? nullptr : found;
}

struct AttributeRow {
  int id;
  int value;
};

// CUdevice_attribute and what an H200 answers.
constexpr AttributeRow kAttributes[] = {
    {1, 1024},                                    // max threads per block
    {2, 1024},                                    // max block dimensions
    {3, 1024},       {4, 64},    {5, 2147483647}, // max grid dimensions
    {6, 65535},      {7, 65535}, {8, 49152},      // shared memory per block
    {9, 65536},                                   // constant memory
    {10, 32},                                     // warp size
    {12, 65536},                                  // registers per block
    {13, 1980000},                                // clock, kHz
    {16, 132},                                    // multiprocessors
    {17, 0},                                      // kernel time limit
    {18, 0},                                      // integrated
    {19, 1},                                      // can map host memory
    {20, 0},                                      // compute mode
    {31, 1},                                      // concurrent kernels
    {32, 1},                                      // ECC
    {36, 3201000},                                // memory clock, kHz
    {37, 6144},                                   // memory bus, bits
    {38, 62914560},                               // L2 cache, bytes
    {39, 2048},                                   // threads per multiprocessor
    {40, 3},                                      // copy engines
    {41, 1},                                      // unified addressing
    {78, 1},                                      // stream priorities
    {81, 233472},                                 // shared memory per multiprocessor
    {82, 65536},                                  // registers per multiprocessor
    {83, 1},                                      // managed memory
    {88, 0},                                      // pageable memory access
    {89, 1},                                      // concurrent managed access
    {95, 1},                                      // cooperative launch
    {97, 232448},                                 // shared memory per block, opt-in
    {102, 1},                                     // virtual memory management
    {106, 32},                                    // blocks per multiprocessor
    {108, 39321600},                              // persisting L2, bytes
    {111, 1024},                                  // reserved shared memory per block
    {120, 1},                                     // cluster launch
};

Device& find_device(int ordinal) {
  State& s = state();
  require(ordinal >= 0 && static_cast<std::size_t>(ordinal) < s.devices.size(),
          Result::invalid_device);
  return *s.devices[static_cast<std::size_t>(ordinal)];
}

bool is_active(const Device& device) {
  return device.primary != nullptr && !device.primary->destroyed;
}

int attribute(const Device& device, int id) {
  switch (id) {
  case 33: return device.ordinal + 1; // PCI bus
  case 34:                            // PCI device
  case 50: return 0;                  // PCI domain
  case 75: return static_cast<int>(device.architecture / 10);
  case 76: return static_cast<int>(device.architecture % 10);
  case 115: return state().memory_pools ? 1 : 0;
  default: break;
  }
  const auto* const found = std::find_if(std::begin(kAttributes), std::end(kAttributes),
                                         [=](const AttributeRow& row) { return row.id == id; });
  if (found == std::end(kAttributes)) {
    require(id > 0 && id < 160);
    return 0;
  }
  return found->value;
}

} // namespace

FAKE_CUDA_EXPORT int cuInit(unsigned flags) {
  return call("cuInit", kNothing, [&] {
    require(flags == 0);
    require(!state().devices.empty(), Result::no_device);
    state().initialized = true;
  });
}

FAKE_CUDA_EXPORT int cuDriverGetVersion(int* version) {
  return call("cuDriverGetVersion", kNothing, [&] {
    require(version != nullptr);
    *version = state().driver_version;
  });
}

FAKE_CUDA_EXPORT int cuGetErrorName(int result, const char** text) {
  return call("cuGetErrorName", kNothing, [&] {
    const ResultRow* const row = find_result(result);
    *text = row != nullptr ? row->name : nullptr;
    require(row != nullptr);
  });
}

FAKE_CUDA_EXPORT int cuGetErrorString(int result, const char** text) {
  return call("cuGetErrorString", kNothing, [&] {
    const ResultRow* const row = find_result(result);
    *text = row != nullptr ? row->text : nullptr;
    require(row != nullptr);
  });
}

FAKE_CUDA_EXPORT int cuDeviceGetCount(int* count) {
  return call("cuDeviceGetCount", kInitialized, [&] {
    require(count != nullptr);
    *count = static_cast<int>(state().devices.size());
  });
}

FAKE_CUDA_EXPORT int cuDeviceGet(int* device, int ordinal) {
  return call("cuDeviceGet", kInitialized, [&] { *device = find_device(ordinal).ordinal; });
}

FAKE_CUDA_EXPORT int cuDeviceGetName(char* text, int bytes, int ordinal) {
  return call("cuDeviceGetName", kInitialized, [&] {
    find_device(ordinal);
    require(text != nullptr && bytes > 0);
    std::snprintf(text, static_cast<std::size_t>(bytes), "Emulated H200 %d", ordinal);
  });
}

FAKE_CUDA_EXPORT int cuDeviceGetAttribute(int* value, int id, int ordinal) {
  return call("cuDeviceGetAttribute", kInitialized, [&] {
    require(value != nullptr);
    *value = attribute(find_device(ordinal), id);
  });
}

FAKE_CUDA_EXPORT int cuDeviceTotalMem_v2(std::size_t* bytes, int ordinal) {
  return call("cuDeviceTotalMem_v2", kInitialized,
              [&] { *bytes = find_device(ordinal).total_memory; });
}

FAKE_CUDA_EXPORT int cuDeviceGetUuid_v2(Uuid* uuid, int ordinal) {
  return call("cuDeviceGetUuid_v2", kInitialized, [&] {
    find_device(ordinal);
    std::memcpy(uuid->bytes, "swage fake GPU\0", sizeof(uuid->bytes));
    uuid->bytes[15] = static_cast<unsigned char>(ordinal);
  });
}

FAKE_CUDA_EXPORT int cuDeviceGetPCIBusId(char* text, int bytes, int ordinal) {
  return call("cuDeviceGetPCIBusId", kInitialized, [&] {
    find_device(ordinal);
    require(text != nullptr && bytes > 0);
    std::snprintf(text, static_cast<std::size_t>(bytes), "00000000:%02X:00.0",
                  static_cast<unsigned>(ordinal + 1));
  });
}

FAKE_CUDA_EXPORT int cuDevicePrimaryCtxRetain(Context** context, int ordinal) {
  return call("cuDevicePrimaryCtxRetain", kInitialized, [&] {
    Device& device = find_device(ordinal);
    require(context != nullptr);
    if (device.primary == nullptr) {
      device.primary = &make_context(device);
      device.primary->primary = true;
    } else if (device.primary->destroyed) {
      revive(*device.primary); // the same handle, another id
    }
    ++device.primary_users;
    *context = device.primary;
  });
}

FAKE_CUDA_EXPORT int cuDevicePrimaryCtxRelease_v2(int ordinal) {
  return call("cuDevicePrimaryCtxRelease_v2", kInitialized, [&] {
    Device& device = find_device(ordinal);
    require(is_active(device) && device.primary_users != 0, Result::invalid_context);
    if (--device.primary_users == 0)
      destroy_context(*device.primary);
  });
}

FAKE_CUDA_EXPORT int cuDevicePrimaryCtxReset_v2(int ordinal) {
  return call("cuDevicePrimaryCtxReset_v2", kInitialized, [&] {
    Device& device = find_device(ordinal);
    if (!is_active(device))
      return;
    destroy_context(*device.primary);
    device.primary_users = 0;
  });
}

FAKE_CUDA_EXPORT int cuDevicePrimaryCtxGetState(int ordinal, unsigned* flags, int* active) {
  return call("cuDevicePrimaryCtxGetState", kInitialized, [&] {
    *flags = 0;
    *active = is_active(find_device(ordinal)) ? 1 : 0;
  });
}
