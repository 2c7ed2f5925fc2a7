// target.cpp -- the CUDA architectures, and the canonical line of a target.
#include "codegen/target.hpp"

#include <array>

#include <fmt/format.h>

#include "swage/error.hpp"

namespace swage::codegen {

namespace {

/// An architecture, the lowest PTX version that knows it (PTX ISA, release notes), the threads that
/// one of its multiprocessors holds (CUDA programming guide, compute capabilities), and the blocks
/// of its largest cluster (tuning guides of Hopper and Blackwell; sixteen where they say so).
struct Architecture {
  int sm;
  int ptx;
  int resident;
  int cluster;
};
constexpr Architecture kArchitectures[] = {
    {75, 63, 1024, 0},
    {80, 70, 2048, 0},
    {86, 71, 1536, 0},
    {87, 74, 1536, 0},
    {88, 90, 1536, 0},
    {89, 78, 1536, 0},
    {90, 78, 2048, 16},
    {100, 86, 2048, 16},
    {103, 88, 2048, 16},
    {110, 90, 1536, kPortableCluster},
    {120, 87, 1536, kPortableCluster},
    {121, 88, 1536, kPortableCluster},
};

constexpr auto kArchitectureNumbers = [] {
  std::array<int, std::size(kArchitectures)> numbers{};
  for (std::size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = kArchitectures[i].sm;
  return numbers;
}();

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
  target.cluster = best->cluster;
  target.fma = true;
  return target;
}

Target within_ptx(const Target& target, int newest) {
  if (target.kind == Target::Kind::host || target.ptx <= newest)
    return target;
  Target older = target;
  older.ptx = newest;
  for (const Architecture& architecture : kArchitectures)
    if (architecture.sm <= target.sm && architecture.ptx <= newest) {
      older.sm = architecture.sm;
      older.cluster = architecture.cluster;
    }
  return older;
}

int resident_threads(const Target& target) noexcept {
  for (const Architecture& architecture : kArchitectures)
    if (architecture.sm == target.sm)
      return architecture.resident;
  return 1024; // what every architecture holds
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
