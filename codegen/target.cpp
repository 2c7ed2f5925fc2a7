// target.cpp -- the CUDA architectures, and what the CPU at hand can do.
#include "codegen/target.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include <fmt/format.h>
#include <llvm/ADT/StringMap.h>
#include <llvm/TargetParser/Host.h>
#include <llvm/TargetParser/Triple.h>

#include "codegen/llvm_start.hpp"
#include "swage/error.hpp"

namespace swage::codegen {

namespace {

/// An architecture, the lowest PTX version that knows it (PTX ISA, release notes), and the threads
/// that one of its multiprocessors holds (CUDA programming guide, compute capabilities).
struct Architecture {
  int sm;
  int ptx;
  int resident;
};
constexpr Architecture kArchitectures[] = {
    {75, 63, 1024},  {80, 70, 2048},  {86, 71, 1536},  {87, 74, 1536},
    {88, 90, 1536},  {89, 78, 1536},  {90, 78, 2048},  {100, 86, 2048},
    {103, 88, 2048}, {110, 90, 1536}, {120, 87, 1536}, {121, 88, 1536},
};

constexpr auto kArchitectureNumbers = [] {
  std::array<int, std::size(kArchitectures)> numbers{};
  for (std::size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = kArchitectures[i].sm;
  return numbers;
}();

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
  for (const Architecture& architecture : kArchitectures)
    names += fmt::format(", sm_{}", architecture.sm);
  return names;
}

} // namespace

std::span<const int> cuda_architectures() noexcept {
  return kArchitectureNumbers;
}

Target cuda_target(int sm) {
  const Architecture* best = nullptr;
  for (const Architecture& architecture : kArchitectures)
    if (architecture.sm <= sm)
      best = &architecture;
  if (!best)
    throw Error(ErrorCode::unsupported,
                fmt::format("compute capability {}.{} is older than 7.5, the oldest that code is "
                            "made for; use a newer GPU or the CPU",
                            sm / 10, sm % 10));
  Target target;
  target.kind = Target::Kind::cuda;
  target.sm = best->sm;
  target.ptx = best->ptx;
  target.fma = true;
  return target;
}

int resident_threads(const Target& target) noexcept {
  for (const Architecture& architecture : kArchitectures)
    if (architecture.sm == target.sm)
      return architecture.resident;
  return 1024; // what every architecture holds
}

const Target& host_target() {
  static const Target target = detect_host();
  return target;
}

Target target_from_name(std::string_view name) {
  if (name == "host")
    return host_target();
  for (const Architecture& architecture : kArchitectures)
    if (name == fmt::format("sm_{}", architecture.sm))
      return cuda_target(architecture.sm);
  throw Error(ErrorCode::invalid_argument,
              fmt::format("unknown target '{}'; known are {}", name, known_names()));
}

std::string canonical(const Target& target) {
  if (target.kind == Target::Kind::cuda)
    return fmt::format("cuda sm_{} ptx{}", target.sm, target.ptx);
  std::string features = target.features;
  std::erase(features, ',');
  const std::string_view arch = std::string_view(target.triple).substr(0, target.triple.find('-'));
  return fmt::format("host {} {} v{} {}", arch == "x86_64" ? "x86-64" : arch, target.cpu,
                     target.vector_bits, features);
}

} // namespace swage::codegen
