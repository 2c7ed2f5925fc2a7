// cuda_header_test.cpp -- our declarations of the CUDA driver against <cuda.h>, where that exists.
#include <cstdio>

#include "runtime/cuda/driver.hpp"
#include "tests/support/catch.hpp"

#if __has_include(<cuda.h>)
// Declares entry points under their first names, too.
#define __CUDA_API_VERSION_INTERNAL
#include <cuda.h>
#endif

#ifdef CUDA_VERSION

namespace {

namespace ours = swage::cuda;

/// Two types that one register or stack slot holds alike: equal, or an enumeration for another or
/// for an int of its size.
template <typename A, typename B>
constexpr bool kSameAbi = std::is_same_v<A, B> ||
                          (sizeof(A) == sizeof(B) &&
                           (std::is_enum_v<A> || std::is_integral_v<A>)&&(std::is_enum_v<B> ||
                                                                          std::is_integral_v<B>)) ||
                          (std::is_pointer_v<A> && std::is_pointer_v<B>);

template <typename A, typename B>
struct SameFunction : std::false_type {};
template <typename... A, typename... B>
struct SameFunction<ours::Result (*)(A...), CUresult (*)(B...)> {
  static constexpr bool value = [] {
    if constexpr (sizeof...(A) == sizeof...(B))
      return (kSameAbi<A, B> && ...);
    else
      return false;
  }();
};

#define SWAGE_CUDA(symbol, since, parameters)                                                      \
  static_assert(SameFunction<decltype(ours::Driver::symbol.raw), decltype(&::symbol)>::value,      \
                #symbol " is declared otherwise in <cuda.h>");
#include "runtime/cuda/driver.def"

#define SAME_VALUE(mine, theirs) static_assert(static_cast<int>(ours::mine) == theirs)
SAME_VALUE(Result::success, CUDA_SUCCESS);
SAME_VALUE(Result::invalid_value, CUDA_ERROR_INVALID_VALUE);
SAME_VALUE(Result::out_of_memory, CUDA_ERROR_OUT_OF_MEMORY);
SAME_VALUE(Result::not_initialized, CUDA_ERROR_NOT_INITIALIZED);
SAME_VALUE(Result::deinitialized, CUDA_ERROR_DEINITIALIZED);
SAME_VALUE(Result::no_device, CUDA_ERROR_NO_DEVICE);
SAME_VALUE(Result::invalid_context, CUDA_ERROR_INVALID_CONTEXT);
SAME_VALUE(Result::invalid_handle, CUDA_ERROR_INVALID_HANDLE);
SAME_VALUE(Result::not_found, CUDA_ERROR_NOT_FOUND);
SAME_VALUE(Result::context_is_destroyed, CUDA_ERROR_CONTEXT_IS_DESTROYED);
SAME_VALUE(Result::stream_capture_unsupported, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
SAME_VALUE(Result::stream_capture_invalidated, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
SAME_VALUE(Result::stream_capture_implicit, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
SAME_VALUE(DeviceAttribute::multiprocessor_count, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
SAME_VALUE(DeviceAttribute::memory_clock_khz, CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE);
SAME_VALUE(DeviceAttribute::memory_bus_bits, CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH);
SAME_VALUE(DeviceAttribute::l2_cache_bytes, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
SAME_VALUE(DeviceAttribute::compute_major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
SAME_VALUE(DeviceAttribute::compute_minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
SAME_VALUE(DeviceAttribute::pageable_memory_access, CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS);
SAME_VALUE(DeviceAttribute::memory_pools_supported, CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED);
SAME_VALUE(PointerAttribute::memory_type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE);
SAME_VALUE(PointerAttribute::is_managed, CU_POINTER_ATTRIBUTE_IS_MANAGED);
SAME_VALUE(PointerAttribute::device_ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL);
SAME_VALUE(PointerAttribute::access_flags, CU_POINTER_ATTRIBUTE_ACCESS_FLAGS);
SAME_VALUE(kMemoryTypeDevice, CU_MEMORYTYPE_DEVICE);
SAME_VALUE(FunctionAttribute::max_threads_per_block, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
SAME_VALUE(FunctionAttribute::local_bytes, CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES);
SAME_VALUE(FunctionAttribute::registers, CU_FUNC_ATTRIBUTE_NUM_REGS);
SAME_VALUE(FunctionAttribute::required_cluster_width, CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH);
SAME_VALUE(FunctionAttribute::non_portable_cluster_size_allowed,
           CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED);
SAME_VALUE(JitOption::info_log_buffer, CU_JIT_INFO_LOG_BUFFER);
SAME_VALUE(JitOption::info_log_bytes, CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES);
SAME_VALUE(JitOption::error_log_buffer, CU_JIT_ERROR_LOG_BUFFER);
SAME_VALUE(JitOption::error_log_bytes, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES);
SAME_VALUE(JitOption::log_verbose, CU_JIT_LOG_VERBOSE);
SAME_VALUE(JitInput::ptx, CU_JIT_INPUT_PTX);
SAME_VALUE(CaptureStatus::none, CU_STREAM_CAPTURE_STATUS_NONE);
SAME_VALUE(CaptureStatus::active, CU_STREAM_CAPTURE_STATUS_ACTIVE);
SAME_VALUE(CaptureMode::global, CU_STREAM_CAPTURE_MODE_GLOBAL);
SAME_VALUE(CaptureMode::thread_local_, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
SAME_VALUE(CaptureMode::relaxed, CU_STREAM_CAPTURE_MODE_RELAXED);
SAME_VALUE(LaunchAttributeId::programmatic_stream_serialization,
           CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION);
SAME_VALUE(kStreamNonBlocking, CU_STREAM_NON_BLOCKING);

#define SAME_PLACE(mine, member, theirs, other)                                                    \
  static_assert(offsetof(ours::mine, member) == offsetof(theirs, other))
SAME_PLACE(LaunchConfig, grid_x, CUlaunchConfig, gridDimX);
SAME_PLACE(LaunchConfig, block_x, CUlaunchConfig, blockDimX);
SAME_PLACE(LaunchConfig, shared_bytes, CUlaunchConfig, sharedMemBytes);
SAME_PLACE(LaunchConfig, stream, CUlaunchConfig, hStream);
SAME_PLACE(LaunchConfig, attributes, CUlaunchConfig, attrs);
SAME_PLACE(LaunchConfig, attribute_count, CUlaunchConfig, numAttrs);
SAME_PLACE(LaunchAttribute, id, CUlaunchAttribute, id);
SAME_PLACE(LaunchAttribute, value, CUlaunchAttribute, value);
static_assert(sizeof(ours::LaunchConfig) == sizeof(CUlaunchConfig));
static_assert(sizeof(ours::LaunchAttribute) == sizeof(CUlaunchAttribute));

} // namespace

TEST_CASE("the driver's functions, values and structs are those of <cuda.h>") {
  SUCCEED("checked by the compiler");
}

#else

TEST_CASE("the driver's functions, values and structs are those of <cuda.h>") {
  std::puts("skipped: no <cuda.h>");
}

#endif

TEST_CASE("the driver table names every function once, as the library exports it") {
  const char* names[] = {
#define SWAGE_CUDA(symbol, since, parameters) #symbol,
#include "runtime/cuda/driver.def"
  };
  std::vector<std::string_view> sorted(std::begin(names), std::end(names));
  std::sort(sorted.begin(), sorted.end());
  CHECK(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end());
  for (const std::string_view name : sorted)
    CHECK(name.substr(0, 2) == "cu");
}
