// call_support.hpp -- calls to classify without memory behind them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "ir/source.hpp"
#include "runtime/launch/classify.hpp"
#include "swage/error.hpp"

namespace swage::test {

/// Addresses that no test reads from; 4 KiB aligned, far apart.
inline void* address(int block, std::int64_t byte_offset = 0) {
  const std::int64_t base = std::int64_t{1} << 40;
  return reinterpret_cast<void*>(base + std::int64_t{block} * (std::int64_t{1} << 36) +
                                 byte_offset);
}

inline launch::Signature signature_of(std::string_view source) {
  return launch::Signature(ir::load_kernel({source}, "", {}));
}

/// One call of the kernel in `source`, classified, with the kernel and arguments kept.
class ClassifiedCall {
public:
  ClassifiedCall(std::string_view source, std::vector<Tensor> tensors,
                 device::ClassifyLimits limits = {})
      : kernel_(ir::load_kernel({source}, "", {})), signature_(kernel_),
        tensors_(std::move(tensors)) {
    std::vector<Arg> args(tensors_.begin(), tensors_.end());
    launch::classify(signature_, args, limits, call);
  }
  /// "flat i32 exact a=unit@16 y=unit@16".
  std::string line() const { return codegen::canonical(specialization(), kernel_); }
  codegen::Specialization specialization() const {
    return call.key.specialization(static_cast<int>(signature_.tensors.size()));
  }
  /// "rows x columns: line".
  std::string text() const { return fmt::format("{}x{} {}", call.rows, call.columns, line()); }

  launch::Call call;

private:
  ir::Kernel kernel_;
  launch::Signature signature_;
  std::vector<Tensor> tensors_;
};

/// What classification says is wrong; "" if nothing is.
inline std::string refusal(std::string_view source, std::vector<Arg> args) {
  const launch::Signature signature = signature_of(source);
  launch::Call call;
  try {
    launch::classify(signature, args, {}, call);
  } catch (const Error& error) {
    return error.code() == ErrorCode::invalid_argument ? error.what() : "wrong code";
  }
  return "";
}

} // namespace swage::test
