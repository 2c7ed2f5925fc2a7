// build_image.hpp -- kernels compiled ahead for every kind of call, as one image.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cli/assembler.hpp"
#include "cli/build_records.hpp"
#include "codegen/host_level.hpp"
#include "ir/kernel.hpp"

namespace swage::cli {

/// A target by the name that an image knows it by.
struct BuildTarget {
  std::string name; ///< "sm_90", "x86-64-v3"
  codegen::Target target;
};

/// "sm_90", the name of a host level, or "host": all those of this machine's architecture. Throws
/// Error(invalid_argument).
std::vector<BuildTarget> build_targets(const std::vector<std::string>& names);

/// A level of the architecture that an object file with these targets is for: that of their host
/// levels, this machine's if they have none. Throws Error(invalid_argument) if they have two.
const codegen::HostLevel& object_level(const std::vector<BuildTarget>& targets);

struct BuiltImage {
  std::string bytes;
  std::size_t variants = 0, codes = 0;
  std::size_t with_machine_code = 0; ///< of the codes for GPUs
};

/// Compiles `kernels` for every target and the kinds of call in `layouts`, see listed_layouts;
/// those that records tell of besides, with their schedules. Equal arguments give equal bytes, on
/// any number of threads. Throws what compiling and assembling throw.
BuiltImage build_image(const std::vector<ir::Kernel>& kernels,
                       const std::vector<BuildTarget>& targets, const std::string& layouts,
                       BuildRecords& records, const Assembler& assembler);

} // namespace swage::cli
