// run.cpp -- runs compiled kernels.
#include "tests/codegen/run.hpp"

#include <mutex>
#include <stdexcept>

#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/Support/TargetSelect.h>

#include "emulator/execute.hpp"

namespace swage::codegen::test {

namespace {

template <class T>
T take(llvm::Expected<T> value) {
  if (!value)
    throw std::runtime_error(llvm::toString(value.takeError()));
  return std::move(*value);
}

} // namespace

struct HostFunction::Jit {
  std::unique_ptr<llvm::orc::LLJIT> lljit;
};

HostFunction::HostFunction(const Artifact& artifact) : jit_(std::make_unique<Jit>()) {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
  });
  jit_->lljit = take(llvm::orc::LLJITBuilder().create());
  auto object = llvm::MemoryBuffer::getMemBufferCopy(artifact.payload, "kernel.o");
  if (auto error = jit_->lljit->addObjectFile(std::move(object)))
    throw std::runtime_error(llvm::toString(std::move(error)));
  const auto entry = take(jit_->lljit->lookup(artifact.entry));
  entry_ = entry.toPtr<decltype(entry_)>();
  rows_ = entry.toPtr<decltype(rows_)>();
}

HostFunction::~HostFunction() = default;
HostFunction::HostFunction(HostFunction&&) noexcept = default;

void run_on_host(const Call& call, const HostSchedule& schedule, int pieces) {
  const HostFunction function(
      compile(call.kernel(), call.specialization(), schedule, host_target()));
  const auto words = call.words();
  std::int64_t step = (call.elements() + pieces - 1) / pieces;
  if (ir::has_packed_tensors(call.kernel())) // as the executor's, which are of 64
    step += step % 2;
  for (std::int64_t begin = 0; begin < call.elements(); begin += step)
    function(words.data(), begin, std::min(begin + step, call.elements()));
}

void emulate(const Artifact& artifact, const CudaSchedule& schedule, const LaunchShape& shape,
             std::vector<std::byte> parameters, const std::vector<Call::Bytes>& buffers) {
  emulator::Memory memory;
  for (const Call::Bytes& buffer : buffers)
    memory.add(buffer.data, buffer.size);
  const emulator::Image image(emulator::parse(artifact.payload), memory);
  emulator::LaunchConfig config;
  config.grid = {static_cast<unsigned>(shape.blocks), 1, 1};
  config.block = {static_cast<unsigned>(schedule.threads), 1, 1};
  config.parameters = std::move(parameters);
  config.programmatic = artifact.waits_for_dependencies;
  if (shape.blocks > 0)
    emulator::execute(*image.find(artifact.entry), config, memory);
}

void run_in_emulator(const Call& call, const CudaSchedule& schedule, const Target& target) {
  constexpr int kMultiprocessors = 2;
  const LaunchShape shape = call.launch_shape(schedule, kMultiprocessors);
  emulate(compile(call.kernel(), call.specialization(), schedule, target), schedule, shape,
          call.parameters(shape), call.buffers());
}

} // namespace swage::codegen::test
