// c_device.cpp -- the devices of the C ABI.
#include <string>

#include "runtime/api/c_failure.hpp"
#include "runtime/api/c_objects.hpp"
#include "runtime/api/c_structs.hpp"

using swage::Error;
using swage::ErrorCode;
using swage::api::guarded;
using swage::api::hand_out;
using swage::api::require;
using swage::api::text_or;

extern "C" {

swage_status swage_device_count(int32_t* count) {
  return guarded([&] {
    require(count, "count");
    *count = static_cast<int32_t>(swage::Device::all().size());
  });
}

swage_status swage_device_at(int32_t index, swage_device** device) {
  return guarded([&] {
    require(device, "device");
    const auto devices = swage::Device::all();
    if (index < 0 || static_cast<std::size_t>(index) >= devices.size())
      throw Error(ErrorCode::no_device, "device index " + std::to_string(index) +
                                            " is outside the list of " +
                                            std::to_string(devices.size()));
    *device = new swage_device{devices[static_cast<std::size_t>(index)]};
  });
}

swage_status swage_device_open(const char* id, swage_device** device) {
  return guarded([&] {
    require(device, "device");
    *device = new swage_device{swage::Device::open(text_or(id, ""))};
  });
}

void swage_device_close(swage_device* device) {
  delete device;
}

swage_status swage_device_describe(const swage_device* device, swage_device_info* info) {
  return guarded([&] {
    require(device, "device");
    require(info, "info");
    const swage::DeviceInfo& found = device->device.info();
    swage_device_info filled = {};
    filled.kind = found.kind == swage::DeviceKind::cuda ? SWAGE_CUDA : SWAGE_CPU;
    filled.index = found.index;
    filled.id = found.id.c_str();
    filled.name = found.name.c_str();
    filled.target = found.target.c_str();
    filled.compute_units = found.compute_units;
    filled.driver_version = found.driver_version;
    filled.memory_bytes = found.memory_bytes;
    filled.cache_bytes = found.cache_bytes;
    filled.peak_bytes_per_second = found.peak_bytes_per_second;
    hand_out(filled, SWAGE_FIRST_SIZE(swage_device_info, peak_bytes_per_second),
             "swage_device_info", info);
  });
}

swage_status swage_device_synchronize(const swage_device* device) {
  return guarded([&] {
    require(device, "device");
    device->device.synchronize();
  });
}

} // extern "C"
