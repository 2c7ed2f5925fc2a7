// worst_emulator.hpp -- runs a call on a GPU whose approximations are as bad as PTX lets them be.
#pragma once

#include "emulator/execute.hpp"
#include "tests/codegen/run.hpp"

namespace swage::codegen::test {

/// As run_in_emulator, with every approximate instruction off by what the ISA allows.
inline void run_in_worst_emulator(const Call& call, const CudaSchedule& schedule,
                                  const Target& target) {
  const Artifact artifact = compile(call.kernel(), call.specialization(), schedule, target);
  const LaunchShape shape = call.launch_shape(schedule, 2);
  emulator::Memory memory;
  for (const Call::Bytes& buffer : call.buffers())
    memory.add(buffer.data, buffer.size);
  const emulator::Image image(emulator::parse(artifact.payload), memory);
  emulator::LaunchConfig config;
  config.grid = {static_cast<unsigned>(shape.blocks), 1, 1};
  config.block = {static_cast<unsigned>(schedule.threads), 1, 1};
  config.parameters = call.parameters(shape);
  config.approximation = emulator::Approximation::worst_case;
  emulator::execute(*image.find(artifact.entry), config, memory);
}

} // namespace swage::codegen::test
