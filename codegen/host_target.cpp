// host_target.cpp -- what the CPU at hand can do, as LLVM sees it, and targets by their names.
#include <algorithm>
#include <map>
#include <vector>

#include <fmt/format.h>
#include <llvm/ADT/StringMap.h>
#include <llvm/TargetParser/Host.h>
#include <llvm/TargetParser/Triple.h>

#include "codegen/host_level.hpp"
#include "codegen/llvm_start.hpp"
#include "codegen/target.hpp"
#include "swage/error.hpp"

namespace swage::codegen {

namespace {

/// Features that change what straight-line arithmetic compiles to. A hypervisor may hide any that
/// the CPU's name implies, so those absent are spelled out too; the rest (cache control, crypto,
/// system instructions) would only make the canonical line longer.
bool shapes_code(std::string_view feature, bool x86) {
  if (!x86)
    return true;
  constexpr std::string_view prefixes[] = {"avx", "sse", "fma", "bmi", "f16c"};
  constexpr std::string_view names[] = {"ssse3", "lzcnt", "popcnt", "movbe", "evex512", "xop"};
  return std::ranges::any_of(prefixes, [&](auto p) { return feature.starts_with(p); }) ||
         std::ranges::find(names, feature) != std::end(names);
}

/// 512-bit vectors cost clock on Intel's servers before Ice Lake and on its client parts.
bool prefers_512(std::string_view cpu) {
  constexpr std::string_view names[] = {"znver4",         "znver5",          "znver6",
                                        "icelake-server", "sapphirerapids",  "emeraldrapids",
                                        "graniterapids",  "graniterapids-d", "diamondrapids"};
  return std::ranges::find(names, cpu) != std::end(names);
}

Target detect_host() {
  const LlvmScope scope;
  Target target;
  target.kind = Target::Kind::host;
  target.triple = llvm::sys::getDefaultTargetTriple();
  target.cpu = llvm::sys::getHostCPUName().str();
  const llvm::Triple triple(target.triple);
  std::map<std::string, bool> features; // sorted: equal machines must give equal lines
  for (const auto& feature : llvm::sys::getHostCPUFeatures())
    if (shapes_code(feature.getKey(), triple.isX86()))
      features[feature.getKey().str()] = feature.getValue();
  for (const auto& [name, present] : features)
    target.features +=
        fmt::format("{}{}{}", target.features.empty() ? "" : ",", present ? "+" : "-", name);
  const auto has = [&](const char* name) {
    const auto found = features.find(name);
    return found != features.end() && found->second;
  };
  if (triple.isX86()) {
    const bool wide = has("avx512f") && has("avx512vl") && has("avx512bw") && has("avx512dq");
    target.vector_bits = wide && prefers_512(target.cpu) ? 512 : has("avx") ? 256 : 128;
    target.fma = has("fma");
  } else {
    target.vector_bits = 128;
    target.fma = triple.isAArch64();
  }
  return target;
}

std::string known_names() {
  std::string names = "host";
  for (const int sm : cuda_architectures())
    names += fmt::format(", sm_{}", sm);
  for (const HostLevel& level : host_levels())
    names += fmt::format(", {}", level.name);
  return names;
}

} // namespace

const Target& host_target() {
  static const Target target = detect_host();
  return target;
}

Target target_from_name(std::string_view name) {
  if (name == "host")
    return host_target();
  for (const HostLevel& level : host_levels())
    if (name == level.name)
      return target_of(level);
  for (const int sm : cuda_architectures())
    if (name == fmt::format("sm_{}", sm))
      return cuda_target(sm);
  throw Error(ErrorCode::invalid_argument,
              fmt::format("unknown target '{}'; known are {}", name, known_names()));
}

} // namespace swage::codegen
