// gpu.hpp -- what tests that need a CUDA device share. They run on the real driver, or on the
// emulated one of emulator when SWAGE_LIBCUDA_PATH names it; without either they say
// `skipped: no CUDA device`, which CTest reports as skipped.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "ir/evaluate.hpp"
#include "ir/source.hpp"
#include "kernels/catalogue.hpp"
#include "runtime/verify/admissible.hpp"
#include "swage/swage.hpp"

namespace swage::test {

/// The device under test, or nothing after saying why.
inline std::optional<Device> gpu() {
  for (const Device& device : Device::all())
    if (device.info().kind == DeviceKind::cuda)
      return device;
  std::cout << "skipped: no CUDA device\n";
  return std::nullopt;
}

/// The emulator interprets PTX: sizes beyond a few thousand elements are for hardware.
inline bool emulated() {
  const char* path = std::getenv("SWAGE_LIBCUDA_PATH");
  return path != nullptr && std::strstr(path, "fake_cuda") != nullptr;
}

/// One tensor's worth of host bytes with its type.
struct HostTensor {
  DType dtype = DType::f32;
  std::vector<std::byte> bytes;

  HostTensor(DType type, std::int64_t elements)
      : dtype(type),
        bytes(static_cast<std::size_t>(elements) * static_cast<std::size_t>(size_of(type))) {}

  std::int64_t size() const { return static_cast<std::int64_t>(bytes.size()) / size_of(dtype); }
  std::byte* at(std::int64_t index) { return bytes.data() + index * size_of(dtype); }
  const std::byte* at(std::int64_t index) const { return bytes.data() + index * size_of(dtype); }
  ir::Scalar get(std::int64_t index) const {
    return ir::decode(dtype, ir::load_bits(dtype, at(index)));
  }
  void set(std::int64_t index, double value) {
    ir::store_bits(dtype, at(index),
                   ir::encode(dtype, {.real = value, .integer = static_cast<std::int64_t>(value)}));
  }
  /// Values about N(0, 2), from a counter: the same for equal seeds and sizes.
  void fill(std::uint64_t seed) {
    for (std::int64_t i = 0; i < size(); ++i) {
      std::uint64_t x = (seed << 40) + static_cast<std::uint64_t>(i) + 0x9e3779b97f4a7c15u;
      x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
      x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
      x ^= x >> 31;
      double sum = 0;
      for (int k = 0; k < 4; ++k)
        sum += static_cast<double>((x >> (16 * k)) & 0xffff) / 65536.0 - 0.5;
      set(i, sum * 3.5);
    }
  }
};

/// Every generic of a catalogue kernel bound to `type`.
inline std::vector<Binding> catalogue_bindings(const std::string& name, DType type) {
  std::vector<Binding> bindings;
  if (const kernels::CatalogueFile* file = kernels::find(name))
    for (const ir::KernelDeclaration& declared : ir::list_kernels({file->text, file->name}))
      if (declared.name == name)
        for (const std::string& generic : declared.generics)
          bindings.push_back({generic, type});
  return bindings;
}

/// A catalogue kernel so bound, as the library loads it.
inline ir::Kernel catalogue_kernel(const std::string& name, DType type) {
  const kernels::CatalogueFile* file = kernels::find(name);
  if (file == nullptr)
    throw Error(ErrorCode::invalid_argument, "no catalogue kernel '" + name + "'");
  return ir::load_kernel({file->text, file->name}, name, catalogue_bindings(name, type));
}

/// How many elements of `got` (one tensor a parameter, as left by the kernel) are neither within
/// `limit` ulp of the evaluator on `before` (as they were on entry) nor within what the stated
/// error bounds of the kernel's operations allow; over every `stride`-th element.
inline std::int64_t count_wrong(const ir::Kernel& kernel, const std::vector<HostTensor>& before,
                                const std::vector<HostTensor>& got, long double limit,
                                std::int64_t stride = 1) {
  const ir::Evaluator evaluate(kernel);
  const verify::AdmissibleResults admissible(kernel);
  ir::Evaluator::Workspace workspace;
  std::vector<ir::Scalar> arguments(kernel.params().size());
  std::vector<std::uint64_t> bits(arguments.size());
  std::vector<ir::Scalar> results(kernel.stores().size());
  std::int64_t wrong = 0;
  for (std::int64_t i = 0; i < before[0].size(); i += stride) {
    for (std::size_t p = 0; p < arguments.size(); ++p) {
      arguments[p] = before[p].get(i);
      bits[p] = ir::load_bits(before[p].dtype, before[p].at(i));
    }
    evaluate(arguments, results, workspace);
    for (std::size_t s = 0; s < results.size(); ++s) {
      const HostTensor& tensor = got[kernel.stores()[s].param];
      const std::uint64_t value = ir::load_bits(tensor.dtype, tensor.at(i));
      const long double real = ir::decode(tensor.dtype, value).real;
      if (!(ir::ulp_error(tensor.dtype, real, results[s].real) <= limit) &&
          !admissible.check(s, value, bits))
        ++wrong;
    }
  }
  return wrong;
}

} // namespace swage::test
