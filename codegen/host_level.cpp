// host_level.cpp -- the named levels of CPUs that host code is shipped for.
#include "codegen/host_level.hpp"

#include <string>

namespace swage::codegen {

namespace {

// Features: those that lowering reads (fused multiply-add, conversions of f16), and at v4 vectors
// of 512 bits, which LLVM leaves aside for this name unless told.
constexpr HostLevel kLevels[] = {
    {"x86-64-v2", "x86_64-unknown-linux-gnu", "x86-64-v2", "", 128, false},
    {"x86-64-v3", "x86_64-unknown-linux-gnu", "x86-64-v3", "+avx2,+f16c,+fma", 256, true},
    {"x86-64-v4", "x86_64-unknown-linux-gnu", "x86-64-v4",
     "+avx2,+avx512bw,+avx512dq,+avx512f,+avx512vl,+f16c,+fma,-prefer-256-bit", 512, true},
    {"aarch64", "aarch64-unknown-linux-gnu", "generic", "+neon", 128, true},
};

constexpr std::size_t kX86Levels = 3;

} // namespace

std::span<const HostLevel> host_levels() noexcept {
  return kLevels;
}

std::span<const HostLevel> native_levels() noexcept {
#if defined(__x86_64__)
  return std::span(kLevels).first(kX86Levels);
#else
  return std::span(kLevels).subspan(kX86Levels);
#endif
}

const HostLevel* find_host_level(std::string_view name) noexcept {
  for (const HostLevel& level : kLevels)
    if (level.name == name)
      return &level;
  return nullptr;
}

bool runs_here(const HostLevel& level) noexcept {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool v2 = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("ssse3") &&
                  __builtin_cpu_supports("popcnt");
  if (level.name == "x86-64-v2")
    return v2;
  // The answers for AVX count the operating system in: it must save the registers.
  const bool v3 = v2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                  __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                  __builtin_cpu_supports("f16c") && __builtin_cpu_supports("lzcnt") &&
                  __builtin_cpu_supports("movbe");
  if (level.name == "x86-64-v3")
    return v3;
  return level.name == "x86-64-v4" && v3 && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#elif defined(__aarch64__)
  return level.name == "aarch64"; // Armv8-A has vectors and fused multiply-add
#else
  return false;
#endif
}

const HostLevel& best_host_level() noexcept {
  const std::span<const HostLevel> levels = native_levels();
  for (std::size_t i = levels.size(); i > 1; --i)
    if (runs_here(levels[i - 1]))
      return levels[i - 1];
  return levels.front();
}

Target target_of(const HostLevel& level) {
  Target target;
  target.kind = Target::Kind::host;
  target.triple = level.triple;
  target.cpu = level.cpu;
  target.features = level.features;
  target.vector_bits = level.vector_bits;
  target.fma = level.fma;
  return target;
}

} // namespace swage::codegen
