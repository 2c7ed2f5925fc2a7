// first_call.hpp -- what the stages of a first call take, cold and from a disk cache.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "swage/swage.hpp"

namespace swage::measure {

/// Host time of a first call, cold, by stage, in seconds. On the CPU `assemble` is 0; on CUDA it is
/// the driver's way from PTX to machine code, `load` the rest of the module's loading.
struct FirstCallTimes {
  double parse = 0, lower = 0, optimise = 0, emit = 0, assemble = 0, load = 0, launch = 0;
};
/// Parses, compiles, loads and launches once past every cache of Swage's own.
FirstCallTimes time_first_call(const Device& device, std::string_view source, std::string_view name,
                               const std::vector<Binding>& bindings, const KernelOptions& options,
                               std::span<const Arg> arguments);

/// Host time of a first call whose code lies in a disk cache, by stage, in seconds: `read` opens
/// the directory, reads the entry and checks it.
struct WarmCallTimes {
  double parse = 0, read = 0, load = 0, launch = 0;
};
/// Puts the code into a temporary cache directory of its own, and from there reads, loads and
/// launches it once with a new kernel. Nothing where there can be no such directory.
std::optional<WarmCallTimes> time_warm_call(const Device& device, std::string_view source,
                                            std::string_view name,
                                            const std::vector<Binding>& bindings,
                                            const KernelOptions& options,
                                            std::span<const Arg> arguments);

} // namespace swage::measure
