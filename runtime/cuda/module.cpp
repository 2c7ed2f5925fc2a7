// module.cpp -- PTX or machine code to a function that the driver can launch.
#include "runtime/cuda/module.hpp"

#include <array>
#include <cstring>

#include <fmt/format.h>

#include "runtime/base/log.hpp"
#include "runtime/cuda/objects.hpp"
#include "swage/error.hpp"

namespace swage::cuda {

namespace {

/// Buffers for the assembler's messages, and the options that hand them to the driver.
class AssemblerLog {
public:
  static constexpr unsigned kCount = 4;
  AssemblerLog() : text_(2 * kBytes, '\0') {}

  JitOption* options() { return options_.data(); }
  void** values() { return values_.data(); }
  std::string errors() const { return std::string(text_.c_str()); }
  std::string notes() const { return std::string(text_.c_str() + kBytes); }

private:
  static constexpr std::size_t kBytes = 16384;
  std::string text_;
  std::array<JitOption, kCount> options_{JitOption::error_log_buffer, JitOption::error_log_bytes,
                                         JitOption::info_log_buffer, JitOption::info_log_bytes};
  std::array<void*, kCount> values_{text_.data(), reinterpret_cast<void*>(kBytes),
                                    text_.data() + kBytes, reinterpret_cast<void*>(kBytes)};
};

[[noreturn]] void fail_build(const char* function, Result result, const AssemblerLog& log) {
  const std::string errors = log.errors();
  throw Error(result == Result::out_of_memory ? ErrorCode::out_of_memory : ErrorCode::driver,
              fmt::format("{} failed: {}{}{}", function, describe(result),
                          errors.empty() ? "" : "; the driver's log says: ", errors),
              errors + log.notes(), static_cast<int>(result));
}

} // namespace

LoadedModule::LoadedModule(const std::string& image) {
  Context current = nullptr;
  driver().cuCtxGetCurrent(&current);
  context_ = identify(current);
  const RelaxedCapture relaxed;
  AssemblerLog log;
  const Result result = driver().cuModuleLoadDataEx.raw(
      &module_, image.c_str(), AssemblerLog::kCount, log.options(), log.values());
  if (result != Result::success)
    fail_build("cuModuleLoadDataEx", result, log);
  if (const std::string notes = log.notes(); !notes.empty())
    base::log(base::LogLevel::debug, "driver: {}", notes);
}

LoadedModule::~LoadedModule() {
  // A context may be gone before its modules; then there is nothing left to unload, and what has
  // the module's handle now is somebody else's.
  const FormerContext former(context_);
  if (!former)
    return;
  CaptureMode mode = CaptureMode::relaxed;
  driver().cuThreadExchangeStreamCaptureMode.raw(&mode);
  driver().cuModuleUnload.raw(module_);
  driver().cuThreadExchangeStreamCaptureMode.raw(&mode);
}

Function LoadedModule::function(const std::string& entry, CodeFacts* facts) const {
  const RelaxedCapture relaxed;
  Function function = nullptr;
  driver().cuModuleGetFunction(&function, module_, entry.c_str());
  // Modules load lazily since CUDA 11.7; asking for an attribute loads the code here and now, so
  // that the first launch is a launch and nothing else.
  CodeFacts found;
  driver().cuFuncGetAttribute(&found.registers, FunctionAttribute::registers, function);
  driver().cuFuncGetAttribute(&found.local_bytes, FunctionAttribute::local_bytes, function);
  if (facts)
    *facts = found;
  // More blocks than every device with clusters can have in one have to be asked for.
  constexpr int kPortableCluster = 8;
  int cluster = 0; // what a driver that does not know clusters leaves
  driver().cuFuncGetAttribute.raw(&cluster, FunctionAttribute::required_cluster_width, function);
  if (cluster <= kPortableCluster)
    return function;
  const Result result = driver().cuFuncSetAttribute.raw(
      function, FunctionAttribute::non_portable_cluster_size_allowed, 1);
  if (result != Result::success)
    throw Error(ErrorCode::unsupported,
                fmt::format("the driver refuses clusters of {} blocks on this device ({}); make "
                            "the kernel with a schedule of grid={}",
                            cluster, describe(result), kPortableCluster),
                {}, static_cast<int>(result));
  return function;
}

std::string image_of(const std::string& ptx) {
  try {
    return assemble(ptx);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::driver)
      throw;
    base::log(base::LogLevel::debug, "the driver is left to assemble: {}", error.what());
    return ptx;
  }
}

int resident_blocks(Function function, int threads) {
  int blocks = 0;
  driver().cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, function, threads, 0);
  return blocks;
}

std::string assemble(const std::string& ptx) {
  const RelaxedCapture relaxed;
  AssemblerLog log;
  Linker linker = nullptr;
  driver().cuLinkCreate_v2(AssemblerLog::kCount, log.options(), log.values(), &linker);
  // The driver reads the terminating zero as part of PTX text.
  Result result =
      driver().cuLinkAddData_v2.raw(linker, JitInput::ptx, const_cast<char*>(ptx.c_str()),
                                    ptx.size() + 1, "swage", 0, nullptr, nullptr);
  void* cubin = nullptr;
  std::size_t bytes = 0;
  if (result == Result::success)
    result = driver().cuLinkComplete.raw(linker, &cubin, &bytes);
  std::string code;
  if (result == Result::success)
    code.assign(static_cast<const char*>(cubin), bytes);
  driver().cuLinkDestroy.raw(linker);
  if (result != Result::success)
    fail_build("cuLinkComplete", result, log);
  return code;
}

} // namespace swage::cuda
