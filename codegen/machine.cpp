// machine.cpp -- LLVM's target machines of both back ends, kept from compile to compile.
#include "codegen/machine.hpp"

#include <mutex>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "codegen/llvm_compat.hpp"
#include "swage/error.hpp"

namespace swage::codegen {

namespace {

using Machine = std::unique_ptr<llvm::TargetMachine>;

Machine make_machine(const Target& target) {
  const bool cuda = target.kind == Target::Kind::cuda;
  const llvm::Triple triple(cuda ? "nvptx64-nvidia-cuda" : target.triple);
  std::string error;
  const llvm::Target* found = compat::lookup_target(triple, error);
  if (!found)
    throw Error(ErrorCode::unsupported, fmt::format("this build of LLVM has no back end for {}: {}",
                                                    cuda ? "NVPTX" : "the host", error));
  llvm::TargetOptions options; // contraction is decided in ir
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  if (cuda)
    return compat::create_machine(*found, triple, fmt::format("sm_{}", target.sm),
                                  fmt::format("+ptx{}", target.ptx), options, std::nullopt,
                                  std::nullopt, llvm::CodeGenOptLevel::Default);
  return compat::create_machine(*found, triple, target.cpu, target.features, options,
                                llvm::Reloc::PIC_, llvm::CodeModel::Small,
                                llvm::CodeGenOptLevel::Default);
}

struct Pool {
  std::mutex mutex;
  std::vector<std::pair<Target, Machine>> idle;
};

/// Leaked: a compile may run while static objects are destroyed.
Pool& pool() {
  static Pool* const pool = new Pool;
  return *pool;
}

} // namespace

Machine take_machine(const Target& target) {
  {
    auto& [mutex, idle] = pool();
    const std::lock_guard lock(mutex);
    for (auto place = idle.begin(); place != idle.end(); ++place)
      if (place->first == target) {
        Machine machine = std::move(place->second);
        idle.erase(place);
        return machine;
      }
  }
  return make_machine(target);
}

void give_machine(const Target& target, Machine machine) {
  constexpr std::size_t kIdle = 64;
  auto& [mutex, idle] = pool();
  const std::lock_guard lock(mutex);
  if (idle.size() < kIdle)
    idle.emplace_back(target, std::move(machine));
}

void set_host_attributes(llvm::Function& function, const Target& target) {
  const std::string width = std::to_string(target.vector_bits);
  function.addFnAttr("target-cpu", target.cpu);
  function.addFnAttr("target-features", target.features);
  function.addFnAttr("prefer-vector-width", width);
  function.addFnAttr("min-legal-vector-width", width);
  // Left alone LLVM orders instructions for Haswell. In Zen 3's order loops whose turns overlap
  // take a Zen 5 2 to 5 % less time and others as much; of the models of Intel's CPUs Haswell's
  // alone loses by it, up to a third.
  if (target.cpu == "x86-64-v3")
    function.addFnAttr("tune-cpu", "znver3");
  // Vectors that registers are too few for go to the stack, which a caller aligns to 16 bytes: a
  // loop that kept one across the end of a page took up to twice as long, as it did in one of six
  // places of the stack.
  if (target.vector_bits > 128) {
    function.addFnAttr("stackrealign");
    function.addFnAttr(llvm::Attribute::getWithStackAlignment(
        function.getContext(), llvm::Align(static_cast<std::uint64_t>(target.vector_bits / 8))));
  }
}

} // namespace swage::codegen
