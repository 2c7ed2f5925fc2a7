// harness.hpp -- runs single instructions and whole kernels for the emulator's tests.
#pragma once

#include "emulator/execute.hpp"

#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace swage::emulator::testing {

inline const char* const kHeader = ".version 8.8\n.target sm_100\n.address_size 64\n";

/// Kernel parameters, packed as the driver packs them.
class Arguments {
public:
  template <class T>
  Arguments& operator<<(T value) {
    bytes.resize((bytes.size() + sizeof(T) - 1) / sizeof(T) * sizeof(T));
    const auto* const data = reinterpret_cast<const std::byte*>(&value);
    bytes.insert(bytes.end(), data, data + sizeof(T));
    return *this;
  }
  std::vector<std::byte> bytes;
};

inline Statistics run(const std::string& text, LaunchConfig config, Memory& memory) {
  const Module module = parse(text);
  const Image image(module, memory);
  return execute(*image.find(module.kernels.at(0).name), config, memory);
}

/// A register and the bits it holds before the instructions run.
using Input = std::pair<std::string, std::uint64_t>;

struct EvaluateOptions {
  Approximation approximation = Approximation::nearest;
  std::uint64_t seed = 0;
};

inline std::string suffix_of(const std::string& reg) {
  return reg.compare(0, 3, "%rs") == 0   ? "b16"
         : reg.compare(0, 3, "%rd") == 0 ? "b64"
         : reg[1] == 'p'                 ? "pred"
                                         : "b32";
}

/// The bits of `result` after `code` ran in one thread. Registers %p %rs %r %rd, 0 to 9 of each.
inline std::uint64_t evaluate(const std::string& code, const std::vector<Input>& inputs,
                              const std::string& result, const EvaluateOptions& options = {}) {
  std::string text = std::string(kHeader) +
                     ".visible .entry k(.param .u64 out)\n{\n"
                     ".reg .pred %p<10>;\n.reg .b16 %rs<10>;\n.reg .b32 %r<10>;\n"
                     ".reg .b64 %rd<10>;\n.reg .b64 %out;\n.reg .b64 %value;\n";
  for (const auto& [reg, bits] : inputs) {
    if (suffix_of(reg) == "pred")
      text += "setp.ne.s32 " + reg + ", " + std::to_string(bits) + ", 0;\n";
    else
      text += "mov." + suffix_of(reg) + " " + reg + ", " + std::to_string(bits) + ";\n";
  }
  text += code + "\nld.param.u64 %out, [out];\nmov.b64 %value, 0;\n";
  if (suffix_of(result) == "pred")
    text += "selp.b64 %value, 1, 0, " + result + ";\nst.global.b64 [%out], %value;\n";
  else
    text += "st.global.b64 [%out], %value;\nst.global." + suffix_of(result) + " [%out], " + result +
            ";\n";
  text += "ret;\n}\n";
  std::uint64_t out = 0;
  Memory memory;
  memory.add(&out, sizeof(out));
  LaunchConfig config;
  config.approximation = options.approximation;
  config.seed = options.seed;
  config.parameters = (Arguments() << &out).bytes;
  run(text, config, memory);
  return out;
}

/// What is wrong with a module, as its parser or its image says; "accepted" if nothing is.
inline std::string message_of(const std::string& text) {
  try {
    const Module module = parse(text);
    Memory memory;
    Image(module, memory);
  } catch (const ParseError& error) {
    return error.what();
  }
  return "accepted";
}

/// How a launch ended.
struct Outcome {
  bool failed = false;
  FaultKind kind{};
  std::string what;

  bool is(FaultKind expected, const std::string& part) const {
    return failed && kind == expected && what.find(part) != std::string::npos;
  }
};

inline Outcome outcome_of(const std::string& text, unsigned threads = 64, unsigned blocks = 2,
                          bool check_races = true) {
  Memory memory;
  LaunchConfig config;
  config.grid = {blocks, 1, 1};
  config.block = {threads, 1, 1};
  config.check_races = check_races;
  config.parameters.resize(8);
  config.instruction_limit = 1U << 21;
  try {
    run(text, config, memory);
  } catch (const Fault& fault) {
    return {true, fault.kind(), fault.what()};
  }
  return {};
}

/// One instruction, what it reads, and the bits it must leave in `result`.
struct Case {
  const char* code;
  std::vector<Input> inputs;
  const char* result;
  std::uint64_t expected;
};

/// Checks every case; Catch names the instruction that failed.
#define CHECK_CASES(...)                                                                           \
  for (const auto& each : std::vector<swage::emulator::testing::Case> __VA_ARGS__) {               \
    INFO(each.code);                                                                               \
    CHECK(evaluate(each.code, each.inputs, each.result) == each.expected);                         \
  }

} // namespace swage::emulator::testing
