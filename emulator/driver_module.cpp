// driver_module.cpp -- entry points: modules, functions and the linker.
#include "emulator/driver_state.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

using namespace swage;
using namespace swage::fake;

namespace {

// What the fake linker returns: this header, then the PTX text. The first bytes are an ELF file's,
// as a real cubin's are.
struct CubinHeader {
  char magic[16];
  std::uint32_t architecture;
  std::uint32_t checksum;
  std::uint64_t bytes;
};

constexpr char kMagic[16] = "\177ELF fake cubin";

std::uint32_t checksum(const char* data, std::size_t bytes) { // FNV-1a
  std::uint32_t hash = 2166136261;
  for (std::size_t i = 0; i < bytes; ++i)
    hash = (hash ^ static_cast<unsigned char>(data[i])) * 16777619;
  return hash;
}

struct PtxSupport {
  int driver;
  unsigned ptx;
};

// The newest PTX that each driver reads (PTX ISA, "Release Notes").
constexpr PtxSupport kPtxSupport[] = {
    {13010, 91}, {13000, 90}, {12090, 88}, {12080, 87}, {12070, 86}, {12050, 85}, {12040, 84},
    {12030, 83}, {12020, 82}, {12010, 81}, {12000, 80}, {11080, 78}, {11000, 70}, {0, 65}};

unsigned newest_ptx(int driver) {
  return std::find_if(std::begin(kPtxSupport), std::end(kPtxSupport),
                      [=](const PtxSupport& row) { return driver >= row.driver; })
      ->ptx;
}

/// The buffers and sizes that a caller hands over for the assembler's messages.
class Log {
public:
  Log(unsigned count, const int* options, void** values) {
    constexpr int kInfo = 3, kInfoBytes = 4, kError = 5, kErrorBytes = 6;
    for (unsigned i = 0; i < count; ++i) {
      if (options[i] == kInfo)
        info_ = static_cast<char*>(values[i]);
      else if (options[i] == kError)
        error_ = static_cast<char*>(values[i]);
      else if (options[i] == kInfoBytes)
        info_bytes_ = &values[i];
      else if (options[i] == kErrorBytes)
        error_bytes_ = &values[i];
    }
    write(info_, info_bytes_, "");
    write(error_, error_bytes_, "", false);
  }

  void error(const std::string& message) const { write(error_, error_bytes_, message); }

private:
  // The size option comes back as the bytes written.
  static void write(char* buffer, void** bytes, const std::string& message, bool final = true) {
    if (buffer == nullptr || bytes == nullptr)
      return;
    const auto capacity = reinterpret_cast<std::uintptr_t>(*bytes);
    if (capacity == 0)
      return;
    const std::size_t length = std::min<std::size_t>(message.size(), capacity - 1);
    std::memcpy(buffer, message.data(), length);
    buffer[length] = '\0';
    if (final)
      *bytes = reinterpret_cast<void*>(length);
  }

  char* info_ = nullptr;
  char* error_ = nullptr;
  void** info_bytes_ = nullptr;
  void** error_bytes_ = nullptr;
};

/// Whether a device runs PTX for this target; `sm_90a` runs on 9.0 alone.
bool runs_on(const emulator::Module& module, const Device& device) {
  const bool exact = module.target.back() == 'a';
  return exact ? module.architecture == device.architecture
               : module.architecture <= device.architecture;
}

using Report = std::function<void(const std::string&)>;

emulator::Module assemble(const std::string& text, const Device& device, const Report& report) {
  try {
    emulator::Module module = emulator::parse(text);
    if (module.version > newest_ptx(state().driver_version)) {
      report("ptxas application ptx input, line 1; fatal   : Unsupported .version " +
             std::to_string(module.version / 10) + "." + std::to_string(module.version % 10) +
             "; current version is '" + std::to_string(newest_ptx(state().driver_version) / 10) +
             "." + std::to_string(newest_ptx(state().driver_version) % 10) + "'\n");
      throw Refused{Result::unsupported_ptx_version};
    }
    if (!runs_on(module, device)) {
      report("ptxas fatal   : SM version specified by .target is higher than default SM "
             "version assumed\n");
      throw Refused{Result::no_binary_for_gpu};
    }
    emulator::Memory scratch;
    emulator::Image(module, scratch); // decodes every instruction
    return module;
  } catch (const emulator::ParseError& error) {
    const std::string what = error.what();
    report("ptxas application ptx input, line " + std::to_string(error.line()) +
           "; error   : " + what.substr(what.find(": ") + 2) +
           "\nptxas fatal   : Ptx assembly aborted due to errors\n");
    throw Refused{Result::invalid_ptx};
  }
}

/// `text` with the fault that the environment asks for.
std::string planted(std::string text) {
  const char* const fault = std::getenv("SWAGE_FAKE_CUDA_PLANT");
  if (fault == nullptr)
    return text;
  const std::string edit = fault;
  const std::size_t arrow = edit.find("=>");
  require(arrow != std::string::npos && arrow > 0, Result::invalid_ptx);
  const std::string find = edit.substr(0, arrow), replacement = edit.substr(arrow + 2);
  std::size_t at = text.find(find);
  require(at != std::string::npos, Result::invalid_ptx);
  for (; at != std::string::npos; at = text.find(find, at + replacement.size()))
    text.replace(at, find.size(), replacement);
  return text;
}

std::string text_of(const void* image, const Device& device) {
  CubinHeader header{};
  if (std::memcmp(image, kMagic, 4) != 0)
    return planted(static_cast<const char*>(image));
  std::memcpy(&header, image, sizeof(header));
  require(std::memcmp(header.magic, kMagic, sizeof(kMagic)) == 0, Result::invalid_image);
  const char* const text = static_cast<const char*>(image) + sizeof(header);
  require(checksum(text, header.bytes) == header.checksum, Result::invalid_image);
  require(header.architecture == device.architecture, Result::no_binary_for_gpu);
  return std::string(text, header.bytes);
}

void load(Module** handle, const void* image, const Log& log) {
  require(handle != nullptr && image != nullptr);
  Context& context = current_context();
  const emulator::Module tree = assemble(text_of(image, *context.device), *context.device,
                                         [&](const std::string& message) { log.error(message); });
  auto module = reuse(state().spare_modules);
  module->context = &context;
  module->ptx_version = tree.version;
  module->image = std::make_shared<emulator::Image>(tree, context.device->memory);
  for (const emulator::Kernel& kernel : tree.kernels) {
    auto function = reuse(state().spare_functions);
    function->module = module.get();
    function->program = module->image->find(kernel.name);
    state().functions.emplace(function.get(), function.get());
    module->functions.emplace(kernel.name, std::move(function));
  }
  *handle = keep(state().modules, std::move(module));
}

Function& find_function(Function* handle) {
  const auto found = state().functions.find(handle);
  require(found != state().functions.end(), Result::invalid_handle);
  return *found->second;
}

/// 32-bit registers a thread, as an assembler might settle on: what is declared shares room.
int register_count(const Function& function) {
  std::size_t words = 0;
  for (const emulator::Register& reg : function.program->kernel.registers)
    words += size_of(reg.type) == 8 ? 2 : size_of(reg.type) == 1 ? 0 : 1;
  return static_cast<int>(std::clamp<std::size_t>(words / 4 / 8 * 8, 16, 168));
}

int threads_limit(const Function& function) {
  const emulator::Kernel& kernel = function.program->kernel;
  const auto& limit = kernel.required_threads ? kernel.required_threads : kernel.maximum_threads;
  return limit ? static_cast<int>((*limit)[0] * (*limit)[1] * (*limit)[2]) : 1024;
}

} // namespace

FAKE_CUDA_EXPORT int cuModuleLoadDataEx(Module** module, const void* image, unsigned count,
                                        int* options, void** values) {
  return call("cuModuleLoadDataEx", kContext | kUnsafe,
              [&] { load(module, image, Log(count, options, values)); });
}

FAKE_CUDA_EXPORT int cuModuleLoadData(Module** module, const void* image) {
  return call("cuModuleLoadData", kContext | kUnsafe,
              [&] { load(module, image, Log(0, nullptr, nullptr)); });
}

FAKE_CUDA_EXPORT int cuModuleUnload(Module* handle) {
  return call("cuModuleUnload", kContext | kUnsafe, [&] {
    require(checked(state().modules, handle).context == &current_context(),
            Result::invalid_context);
    const auto place = state().modules.find(handle);
    retire(std::move(place->second));
    state().modules.erase(place);
  });
}

FAKE_CUDA_EXPORT int cuModuleGetFunction(Function** function, Module* handle, const char* name) {
  return call("cuModuleGetFunction", kContext, [&] {
    Module& module = checked(state().modules, handle);
    require(function != nullptr && name != nullptr);
    const auto found = module.functions.find(name);
    require(found != module.functions.end(), Result::not_found);
    *function = found->second.get();
  });
}

FAKE_CUDA_EXPORT int cuModuleGetGlobal_v2(DevicePointer* address, std::size_t* bytes,
                                          Module* handle, const char* name) {
  return call("cuModuleGetGlobal_v2", kContext, [&] {
    const Module& module = checked(state().modules, handle);
    require(name != nullptr);
    const auto found = module.image->symbols().find(name);
    require(found != module.image->symbols().end(), Result::not_found);
    if (address != nullptr)
      *address = found->second;
    if (bytes != nullptr)
      *bytes = module.context->device->memory.find(found->second)->size;
  });
}

FAKE_CUDA_EXPORT int cuFuncGetAttribute(int* value, int id, Function* handle) {
  return call("cuFuncGetAttribute", kContext, [&] {
    Function& function = find_function(handle);
    require(value != nullptr);
    if (!function.loaded)
      check_capture_safety();
    function.loaded = true;
    switch (id) {
    case 0: *value = threads_limit(function); break;
    case 1: *value = static_cast<int>(function.program->shared_bytes); break;
    case 2: *value = 0; break;
    case 3: *value = static_cast<int>(function.program->local_bytes); break;
    case 4: *value = register_count(function); break;
    case 5: *value = static_cast<int>(function.module->ptx_version); break;
    case 6: *value = static_cast<int>(function.module->context->device->architecture); break;
    case 8: *value = function.max_dynamic_shared; break;
    case 11: *value = static_cast<int>(function.program->kernel.cluster); break;
    default: require(id > 0 && id < 16); *value = 0;
    }
  });
}

FAKE_CUDA_EXPORT int cuFuncSetAttribute(Function* handle, int id, int value) {
  return call("cuFuncSetAttribute", kContext, [&] {
    Function& function = find_function(handle);
    require(id == 8 || id == 9 || id >= 11);
    if (id == 14)
      function.has_large_clusters = value != 0;
    if (id != 8)
      return;
    require(value >= 0 && value <= 232448);
    function.max_dynamic_shared = value;
  });
}

FAKE_CUDA_EXPORT int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Function* handle,
                                                                 int threads, std::size_t) {
  return call("cuOccupancyMaxActiveBlocksPerMultiprocessor", kContext, [&] {
    const Function& function = find_function(handle);
    require(blocks != nullptr && threads > 0 && threads <= 1024);
    const int by_registers = 65536 / (register_count(function) * ((threads + 31) / 32 * 32));
    *blocks = std::min({2048 / threads, by_registers, 32});
  });
}

FAKE_CUDA_EXPORT int cuLinkCreate_v2(unsigned count, int* options, void** values, Linker** handle) {
  return call("cuLinkCreate_v2", kContext | kUnsafe, [&] {
    require(handle != nullptr);
    auto linker = std::make_unique<Linker>();
    linker->context = &current_context();
    linker->report = [log = Log(count, options, values)](const std::string& message) {
      log.error(message);
    };
    *handle = keep(state().linkers, std::move(linker));
  });
}

FAKE_CUDA_EXPORT int cuLinkAddData_v2(Linker* handle, int type, void* data, std::size_t bytes,
                                      const char*, unsigned count, int* options, void** values) {
  return call("cuLinkAddData_v2", kContext | kUnsafe, [&] {
    Linker& linker = checked(state().linkers, handle);
    require(type == kInputPtx && data != nullptr && bytes != 0);
    std::string text(static_cast<const char*>(data), bytes);
    text.resize(std::strlen(text.c_str()));
    text = planted(std::move(text));
    const Log log(count, options, values);
    assemble(text, *linker.context->device, [&](const std::string& message) {
      linker.report(message);
      log.error(message);
    });
    linker.text = std::move(text);
  });
}

FAKE_CUDA_EXPORT int cuLinkComplete(Linker* handle, void** cubin, std::size_t* bytes) {
  return call("cuLinkComplete", kContext | kUnsafe, [&] {
    Linker& linker = checked(state().linkers, handle);
    require(cubin != nullptr && bytes != nullptr);
    require(!linker.text.empty(), Result::invalid_source);
    CubinHeader header{};
    std::memcpy(header.magic, kMagic, sizeof(kMagic));
    header.architecture = linker.context->device->architecture;
    header.checksum = checksum(linker.text.data(), linker.text.size());
    header.bytes = linker.text.size();
    linker.cubin.assign(reinterpret_cast<const char*>(&header), sizeof(header));
    linker.cubin += linker.text;
    *cubin = linker.cubin.data();
    *bytes = linker.cubin.size();
  });
}

FAKE_CUDA_EXPORT int cuLinkDestroy(Linker* handle) {
  return call("cuLinkDestroy", kInitialized, [&] {
    checked(state().linkers, handle);
    state().linkers.erase(handle);
  });
}
