// types.hpp -- the types and values of the CUDA driver API that Swage uses, declared anew.
//
// Values and layouts are those of CUDA 12.0 and later; tests/runtime/cuda_header_test.cpp compares
// each with <cuda.h> where that header exists. The opaque structs carry NVIDIA's tags so that
// handles pass between Swage and programs that do include <cuda.h>.
#pragma once

#include <cstddef>
#include <cstdint>

struct CUctx_st;
struct CUmod_st;
struct CUfunc_st;
struct CUstream_st;
struct CUevent_st;
struct CUgraph_st;
struct CUgraphExec_st;
struct CUlinkState_st;

namespace swage::cuda {

using Context = CUctx_st*;
using Module = CUmod_st*;
using Function = CUfunc_st*;
using StreamHandle = CUstream_st*;
using Event = CUevent_st*;
using Graph = CUgraph_st*;
using GraphExec = CUgraphExec_st*;
using Linker = CUlinkState_st*;
using DevicePointer = unsigned long long;
using Ordinal = int; ///< CUdevice

enum class Result : int {
  success = 0,
  invalid_value = 1,
  out_of_memory = 2,
  not_initialized = 3,
  deinitialized = 4,
  no_device = 100,
  invalid_image = 200,
  invalid_context = 201,
  no_binary_for_gpu = 209,
  invalid_ptx = 218,
  unsupported_ptx_version = 222,
  invalid_source = 300,
  invalid_handle = 400,
  not_found = 500,
  context_is_destroyed = 709,
  stream_capture_unsupported = 900,
  stream_capture_invalidated = 901,
  stream_capture_merge = 902,
  stream_capture_unmatched = 903,
  stream_capture_unjoined = 904,
  stream_capture_isolation = 905,
  stream_capture_implicit = 906,
  stream_capture_wrong_thread = 908,
  invalid_cluster_size = 912,
};

enum class DeviceAttribute : int {
  multiprocessor_count = 16,
  memory_clock_khz = 36,
  memory_bus_bits = 37,
  l2_cache_bytes = 38,
  compute_major = 75,
  compute_minor = 76,
  pageable_memory_access = 88,
  memory_pools_supported = 115,
};

enum class PointerAttribute : int {
  memory_type = 2,
  is_managed = 8,
  device_ordinal = 9,
  access_flags = 16,
};

inline constexpr unsigned kMemoryTypeDevice = 2;

enum class FunctionAttribute : int {
  max_threads_per_block = 0,
  local_bytes = 3,
  registers = 4,
  required_cluster_width = 11,
  non_portable_cluster_size_allowed = 14,
};

enum class JitOption : int {
  info_log_buffer = 3,
  info_log_bytes = 4,
  error_log_buffer = 5,
  error_log_bytes = 6,
  log_verbose = 12,
};

enum class JitInput : int { ptx = 1 };
enum class CaptureStatus : int { none = 0, active = 1, invalidated = 2 };
enum class CaptureMode : int { global = 0, thread_local_ = 1, relaxed = 2 };
enum class LaunchAttributeId : int { programmatic_stream_serialization = 6 };

inline constexpr unsigned kStreamNonBlocking = 1;

/// CUlaunchAttribute: an identifier, then a union of 64 bytes of which we use the first int.
struct LaunchAttribute {
  LaunchAttributeId id;
  char padding[4];
  union {
    char bytes[64];
    void* alignment;
    int value;
  };
};

/// CUlaunchConfig.
struct LaunchConfig {
  unsigned grid_x, grid_y, grid_z;
  unsigned block_x, block_y, block_z;
  unsigned shared_bytes;
  StreamHandle stream;
  LaunchAttribute* attributes;
  unsigned attribute_count;
};

/// The streams that stand for "the null stream" and "this thread's", known by small numbers.
inline bool is_special(StreamHandle stream) noexcept {
  return reinterpret_cast<std::uintptr_t>(stream) <= 2;
}

} // namespace swage::cuda
