// load.cpp -- from a kernel and its schedule to code that can run, past the memory's cache.
#include "runtime/functions/load.hpp"

#include <chrono>
#include <span>

#include <fmt/format.h>

#include "codegen/arguments.hpp"
#include "codegen/calling_convention.hpp"
#include "codegen/compiler.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/base/log.hpp"
#include "runtime/functions/dump.hpp"
#include "runtime/store/disk_cache.hpp"
#include "swage/error.hpp"

namespace swage::functions {

store::CacheSettings cache_settings(std::vector<std::string>* complaints) {
  store::CacheSettings settings = store::cache_settings_from_environment(complaints);
  settings.convention = codegen::kCallingConvention;
  return settings;
}

store::DiskCache& disk_cache() {
  static store::DiskCache* const cache = [] {
    std::vector<std::string> complaints;
    store::CacheSettings settings = cache_settings(&complaints);
    for (const std::string& complaint : complaints)
      base::log(base::LogLevel::warn, "{}", complaint);
    return new store::DiskCache(std::move(settings), [](std::string_view line) {
      base::log(base::LogLevel::warn, "{}", line);
    });
  }();
  return *cache;
}

namespace {

bool keeps_on_disk() {
  const store::CacheSettings& settings = disk_cache().settings();
  return !settings.directory.empty() || !settings.bundle.empty();
}

/// The entry that holds machine code for this driver and device, made of the one that holds PTX.
store::CacheEntry assemble_entry(const CompileRequest& request, store::EntryKey key) {
  store::EntryKey portable = key;
  portable.driver.clear();
  store::CacheEntry entry =
      disk_cache().find_or_make(portable, [&] { return compile_entry(request, portable); });
  if (entry.key.toolchain != key.toolchain) { // of a bundle, and kept under its maker's name
    key.toolchain = entry.key.toolchain;
    if (auto kept = disk_cache().find(key))
      return *std::move(kept);
  }
  entry.cubin = cuda::assemble(entry.ptx);
  entry.key = std::move(key);
  return entry;
}

std::shared_ptr<device::LoadedFunction> load_cuda(const store::CacheEntry& entry,
                                                  const std::string& image,
                                                  const cuda::ContextRef& context) {
  auto loaded = std::make_shared<device::LoadedFunction>();
  loaded->bytes = image.size();
  loaded->digest = base::checksum(image);
  loaded->waits_for_dependencies = entry.waits_for_dependencies;
  loaded->module = std::make_unique<cuda::LoadedModule>(image);
  loaded->function = loaded->module->function(entry.entry_symbol, &loaded->facts);
  if (entry.has_totals)
    loaded->totals = loaded->module->function(codegen::totals_entry(entry.entry_symbol), nullptr);
  loaded->stores_single_row = entry.stores_single_row;
  loaded->context = &cuda::state_of(context);
  return loaded;
}

std::shared_ptr<device::LoadedFunction> load_host(const store::CacheEntry& entry) {
  auto loaded = std::make_shared<device::LoadedFunction>();
  loaded->bytes = entry.object.size();
  loaded->digest = base::checksum(entry.object);
  loaded->code = host::CodeBlob::load(std::as_bytes(std::span(entry.object)), entry.entry_symbol);
  loaded->host = reinterpret_cast<host::HostEntry>(loaded->code->entry());
  return loaded;
}

/// Whether the driver objects to the code itself. A context that an earlier kernel broke, or a
/// capture, refuses sound code too.
bool is_about_code(const Error& error) {
  switch (static_cast<cuda::Result>(error.driver_result())) {
  case cuda::Result::invalid_image:
  case cuda::Result::invalid_ptx:
  case cuda::Result::invalid_source:
  case cuda::Result::no_binary_for_gpu:
  case cuda::Result::not_found:
  case cuda::Result::unsupported_ptx_version: return true;
  default: return false;
  }
}

/// Machine code from the disk, or made for it; where that fails the PTX, whose error then stands.
std::shared_ptr<device::LoadedFunction> load_cuda_through_disk(const CompileRequest& request,
                                                               store::EntryKey key,
                                                               const cuda::ContextRef& context,
                                                               store::CacheSource& source) {
  const store::EntryKey native = native_key(key, request.device);
  store::EntryKey kept = native;
  try {
    store::CacheEntry entry = disk_cache().find_or_make(
        native, [&] { return assemble_entry(request, native); }, &source);
    kept = entry.key;
    return load_cuda(entry, entry.cubin, context);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::driver)
      throw;
    if (source == store::CacheSource::compiled && kept == native)
      base::log(base::LogLevel::debug, "the driver is left to assemble: {}", error.what());
    else if (is_about_code(error))
      disk_cache().discard(kept, error.what());
    else
      throw;
  }
  const store::CacheEntry entry = disk_cache().find_or_make(
      key, [&] { return compile_entry(request, key); }, &source);
  return load_cuda(entry, entry.ptx, context);
}

[[noreturn]] void refuse_to_compile(const CompileRequest& request) {
  throw Error(
      ErrorCode::unsupported,
      fmt::format("kernel '{}' would have to be compiled for this call ({}) on {} ({}), and this "
                  "program has the runtime without the compiler; embedded in it is {}; build the "
                  "kernel in with 'swage build' for such calls, or link swage::swage",
                  request.kernel.name(), codegen::canonical(request.specialization, request.kernel),
                  request.device.info.id, request.device.info.target,
                  embedded::describe(request.kernel.name(), request.kernel_line)));
}

/// What a compiler has left on disk, here or elsewhere.
std::shared_ptr<device::LoadedFunction> load_without_compiler(const CompileRequest& request,
                                                              const store::EntryKey& key,
                                                              const cuda::ContextRef& context,
                                                              store::CacheSource& source) {
  const bool is_cuda = request.device.is_cuda();
  if (is_cuda)
    if (const auto entry = disk_cache().find(native_key(key, request.device), &source))
      return load_cuda(*entry, entry->cubin, context);
  if (const auto entry = disk_cache().find(key, &source))
    return is_cuda ? load_cuda(*entry, cuda::image_of(entry->ptx), context) : load_host(*entry);
  refuse_to_compile(request);
}

/// Whether machine code of an architecture may run on a GPU: it does from its own one on, within
/// the major version (CUDA programming guide, binary compatibility). The driver has the last word.
bool may_run(std::string_view target, const DeviceState& device) {
  const std::string own = fmt::format("sm_{}", device.target.sm);
  return target.size() == own.size() &&
         target.substr(0, own.size() - 1) == own.substr(0, own.size() - 1);
}

} // namespace

std::shared_ptr<const device::LoadedFunction> load_embedded(const embedded::Found& found,
                                                            const DeviceState& device,
                                                            const cuda::ContextRef& context) {
  store::CacheEntry entry;
  entry.entry_symbol = found.entry_symbol;
  entry.waits_for_dependencies = found.waits_for_dependencies;
  entry.has_totals = found.has_totals;
  entry.stores_single_row = found.stores_single_row;
  if (!device.is_cuda()) {
    entry.object = found.object;
    return load_host(entry);
  }
  if (!found.cubin.empty() && may_run(found.target, device)) {
    try {
      return load_cuda(entry, found.cubin, context);
    } catch (const Error& error) {
      if (found.ptx.empty() || !is_about_code(error))
        throw;
      base::log(base::LogLevel::info, "embedded machine code for {} does not run on {}: {}",
                found.target, device.info.id, error.what());
    }
  }
  if (found.ptx.empty())
    throw Error(ErrorCode::unsupported,
                fmt::format("the embedded code is machine code for {}, and {} is {}; build it with "
                            "its PTX, or for this architecture",
                            found.target, device.info.id, device.info.target));
  return load_cuda(entry, cuda::image_of(found.ptx), context);
}

std::shared_ptr<const device::LoadedFunction> load(const CompileRequest& request,
                                                   store::EntryKey key,
                                                   const cuda::ContextRef& context,
                                                   store::CacheSource& source) {
  if (!codegen::compiler())
    return load_without_compiler(request, key, context, source);
  if (request.device.is_cuda() && keeps_on_disk())
    return load_cuda_through_disk(request, std::move(key), context, source);
  const auto make = [&] { return compile_entry(request, key); };
  const store::CacheEntry entry = disk_cache().find_or_make(key, make, &source);
  if (request.device.is_cuda())
    return load_cuda(entry, cuda::image_of(entry.ptx), context);
  try {
    return load_host(entry);
  } catch (const Error& error) {
    if (source == store::CacheSource::compiled || error.code() == ErrorCode::out_of_memory)
      throw;
    disk_cache().discard(key, error.what());
  }
  source = store::CacheSource::compiled;
  return load_host(make());
}

store::CacheEntry compile_entry(const CompileRequest& request, store::EntryKey key,
                                codegen::CompileTimes* times) {
  const codegen::Compiler* const compiler = codegen::compiler();
  if (!compiler)
    refuse_to_compile(request);
  const auto start = base::Clock::now();
  codegen::Artifact artifact = compiler->compile(request.kernel, request.specialization,
                                                 request.schedule, request.device.target, times);
  store::CacheEntry entry;
  entry.key = std::move(key);
  entry.kernel_name = request.kernel.name();
  entry.entry_symbol = std::move(artifact.entry);
  entry.waits_for_dependencies = artifact.waits_for_dependencies;
  entry.has_totals = artifact.has_totals;
  entry.stores_single_row = artifact.stores_single_row;
  entry.created = std::chrono::duration_cast<std::chrono::seconds>(
                      std::chrono::system_clock::now().time_since_epoch())
                      .count();
  entry.compile_microseconds = static_cast<std::int64_t>(1e6 * base::seconds_since(start));
  (request.device.is_cuda() ? entry.ptx : entry.object) = std::move(artifact.payload);
  dump(entry);
  return entry;
}

store::EntryKey cache_key(const CompileRequest& request) {
  return {std::string(codegen::toolchain_identity()),
          request.kernel_line,
          codegen::canonical(request.specialization, request.kernel),
          codegen::code_line(request.schedule),
          codegen::canonical(request.device.target),
          {}};
}

store::EntryKey native_key(store::EntryKey key, const DeviceState& device) {
  if (device.is_cuda())
    key.driver = fmt::format("driver {} {}", device.info.driver_version, device.info.target);
  return key;
}

store::CacheEntry native_entry(const CompileRequest& request) {
  store::CacheEntry entry = compile_entry(request, native_key(cache_key(request), request.device));
  if (request.device.is_cuda())
    entry.cubin = cuda::assemble(entry.ptx);
  return entry;
}

std::shared_ptr<const device::LoadedFunction> load_entry(const DeviceState& device,
                                                         const store::CacheEntry& entry,
                                                         const cuda::ContextRef& context) {
  return device.is_cuda() ? load_cuda(entry, entry.cubin, context) : load_host(entry);
}

std::shared_ptr<const device::LoadedFunction>
load_uncached(const CompileRequest& request, const cuda::ContextRef& context, LoadTimes* times) {
  LoadTimes spent;
  store::CacheEntry entry = compile_entry(request, cache_key(request), &spent.compile);
  auto start = base::Clock::now();
  if (request.device.is_cuda()) {
    entry.cubin = cuda::image_of(entry.ptx);
    spent.assemble = base::seconds_since(start);
    start = base::Clock::now();
  }
  auto loaded = load_entry(request.device, entry, context);
  spent.load = base::seconds_since(start);
  if (times)
    *times = spent;
  return loaded;
}

} // namespace swage::functions
