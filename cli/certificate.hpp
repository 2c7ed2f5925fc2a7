// certificate.hpp -- what `swage certify` states about a kernel.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "cli/kernel_text.hpp"
#include "cli/verbs.hpp"
#include "runtime/verify/agreement.hpp"
#include "runtime/verify/gradient_check.hpp"

namespace swage::cli {

/// Modes that promise the bits of another system.
inline constexpr std::array kReferenceModes = {ir::MathMode::triton, ir::MathMode::torch};

struct CertifiedOutput {
  std::size_t param = 0;
  std::int64_t admitted = 0, wrong = 0; ///< as OutputComparison has them
  double max_ulp = 0;
  std::optional<verify::ShownElement> worst{};
  verify::Agreement evaluator{};
  std::array<verify::Agreement, kReferenceModes.size()> modes{};
};

struct Certificate {
  KernelText text;
  DeviceInfo device;
  bool exhaustive = false;
  std::uint64_t seed = 0; ///< of random inputs
  std::int64_t inputs = 0;
  std::array<std::string, kReferenceModes.size()> missing; ///< why a mode is not compared with
  std::vector<CertifiedOutput> outputs;
  std::optional<verify::GradientCheck> gradient;
};

/// Fails when an element or a slope is wrong.
Report report_certificate(const Certificate& certificate, const ir::Kernel& kernel);

} // namespace swage::cli
