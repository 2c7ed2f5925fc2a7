// conversions.hpp -- a kernel of one input and one output, run on the host and in the emulator: for
// tests of conversions.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "ir/source.hpp"
#include "tests/codegen/run.hpp"

namespace swage::codegen::test {

/// y = expression of x.
inline ir::Kernel kernel_of(DType from, DType to, const std::string& expression = "x") {
  const std::string text = fmt::format("kernel k(x: in {}, y: out {}) {{ y = {}; }}", name_of(from),
                                       name_of(to), expression);
  return ir::load_kernel({text, "k.swg"}, "k", {});
}

/// The results for `x`, `count` elements of the kernel's input type.
inline std::vector<std::byte> on_host(const ir::Kernel& kernel, const std::vector<std::byte>& x,
                                      std::int64_t count, int lanes) {
  std::vector<std::byte> y(static_cast<std::size_t>(bytes_of(kernel.params()[1].dtype, count)));
  const HostFunction function(compile(kernel, contiguous(kernel),
                                      HostSchedule{.lanes = lanes, .unroll = 1}, host_target()));
  const std::uint64_t words[] = {reinterpret_cast<std::uintptr_t>(x.data()),
                                 reinterpret_cast<std::uintptr_t>(y.data()),
                                 static_cast<std::uint64_t>(count)};
  function(words, 0, count);
  return y;
}

inline std::vector<std::byte> in_ptx(const ir::Kernel& kernel, std::vector<std::byte> x,
                                     std::int64_t count, int sm, int access_bytes) {
  std::vector<std::byte> y(static_cast<std::size_t>(bytes_of(kernel.params()[1].dtype, count)));
  Specialization known = contiguous(kernel);
  for (TensorSpec& spec : known.tensors)
    spec.align_log2 = 3; // what the allocator gives
  const CudaSchedule schedule{.threads = 64, .access_bytes = access_bytes};
  const LaunchShape shape = launch_shape(schedule, vector_elements(schedule, kernel), 1, count, 1);
  std::vector<std::byte> parameters(20);
  const std::byte* pointers[] = {x.data(), y.data()};
  const auto size = static_cast<std::uint32_t>(count);
  std::memcpy(parameters.data(), pointers, 16);
  std::memcpy(parameters.data() + 16, &size, 4);
  emulate(compile(kernel, known, schedule, cuda_target(sm)), schedule, shape, parameters,
          {{x.data(), x.size()}, {y.data(), y.size()}});
  return y;
}

} // namespace swage::codegen::test
