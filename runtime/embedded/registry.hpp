// registry.hpp -- the images that this process carries, and what they hold for a call.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "codegen/schedule.hpp"
#include "codegen/specialization.hpp"
#include "codegen/target.hpp"
#include "ir/kernel.hpp"
#include "swage/embed.h"

namespace swage::embedded {

void add(swage_kernel_image& image) noexcept;
void remove(swage_kernel_image& image) noexcept;

/// A call, as what it may be served by is chosen.
struct Wanted {
  const ir::Kernel& kernel;
  std::string_view line; ///< ir::canonical(kernel)
  const codegen::Specialization& specialization;
  const codegen::Target& target;
  int size_class = 0;
  bool streaming = false; ///< host: stores should go past the cache
  /// The code line of the schedule that is asked for; empty: the one that the image gives.
  std::string_view code_line = {};
};

/// Code that serves the call, a copy of its own.
struct Found {
  codegen::Specialization specialization; ///< what the code relies on, and is launched by
  codegen::Schedule schedule;
  std::string target; ///< what the code was made for
  std::string entry_symbol;
  bool waits_for_dependencies = false;
  bool has_totals = false;
  bool stores_single_row = false;
  std::string ptx, cubin, object;
};

/// The best of all images, whatever order they were registered in: first the newest target that
/// runs here, then what relies on most, then the size class. Thread safe.
std::optional<Found> find(const Wanted& wanted);

/// What images hold of kernels with this name and line, as an error says it: "nothing", or how many
/// variants for which targets.
std::string describe(std::string_view name, std::string_view line);

} // namespace swage::embedded
