// header_test.cpp -- the fake driver's values against NVIDIA's header, where there is one.
#include "tests/support/catch.hpp"

#if __has_include(<cuda.h>)

#include "emulator/driver_types.hpp"

#include <cuda.h>

using swage::fake::Result;

namespace {

struct Row {
  int ours;
  int theirs;
};

constexpr int value(Result result) {
  return static_cast<int>(result);
}

} // namespace

TEST_CASE("results and structures are those of <cuda.h>") {
  const Row rows[] = {
      {value(Result::invalid_value), CUDA_ERROR_INVALID_VALUE},
      {value(Result::invalid_image), CUDA_ERROR_INVALID_IMAGE},
      {value(Result::invalid_context), CUDA_ERROR_INVALID_CONTEXT},
      {value(Result::no_binary_for_gpu), CUDA_ERROR_NO_BINARY_FOR_GPU},
      {value(Result::invalid_ptx), CUDA_ERROR_INVALID_PTX},
      {value(Result::unsupported_ptx_version), CUDA_ERROR_UNSUPPORTED_PTX_VERSION},
      {value(Result::invalid_handle), CUDA_ERROR_INVALID_HANDLE},
      {value(Result::illegal_address), CUDA_ERROR_ILLEGAL_ADDRESS},
      {value(Result::launch_timeout), CUDA_ERROR_LAUNCH_TIMEOUT},
      {value(Result::context_is_destroyed), CUDA_ERROR_CONTEXT_IS_DESTROYED},
      {value(Result::illegal_instruction), CUDA_ERROR_ILLEGAL_INSTRUCTION},
      {value(Result::misaligned_address), CUDA_ERROR_MISALIGNED_ADDRESS},
      {value(Result::launch_failed), CUDA_ERROR_LAUNCH_FAILED},
      {value(Result::not_permitted), CUDA_ERROR_NOT_PERMITTED},
      {value(Result::stream_capture_unsupported), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED},
      {value(Result::stream_capture_invalidated), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED},
      {value(Result::stream_capture_unjoined), CUDA_ERROR_STREAM_CAPTURE_UNJOINED},
      {value(Result::stream_capture_implicit), CUDA_ERROR_STREAM_CAPTURE_IMPLICIT},
      {value(Result::captured_event), CUDA_ERROR_CAPTURED_EVENT},
      {value(Result::stream_capture_wrong_thread), CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD},
      {swage::fake::kAttributeProgrammatic, CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION},
      {swage::fake::kInputPtx, CU_JIT_INPUT_PTX},
      {swage::fake::kStreamNonBlocking, CU_STREAM_NON_BLOCKING},
      {swage::fake::kEventDisableTiming, CU_EVENT_DISABLE_TIMING},
  };
  for (const Row& row : rows)
    CHECK(row.ours == row.theirs);
  CHECK(sizeof(swage::fake::LaunchParameters) == sizeof(CUlaunchConfig));
  CHECK(offsetof(swage::fake::LaunchParameters, stream) == offsetof(CUlaunchConfig, hStream));
  CHECK(offsetof(swage::fake::LaunchParameters, attributes) == offsetof(CUlaunchConfig, attrs));
  CHECK(sizeof(swage::fake::LaunchAttribute) == sizeof(CUlaunchAttribute));
}

#endif
