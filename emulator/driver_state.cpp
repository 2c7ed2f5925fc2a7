// driver_state.cpp -- contexts, streams under capture, and the gate of every entry point.
#include "emulator/driver_state.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

namespace swage::fake {
namespace {

std::string environment(const char* name, const char* otherwise) {
  const char* const value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

/// Calls `body` with each part between commas.
template <class Body>
void for_parts(const std::string& text, Body body) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    if (end != at)
      body(text.substr(at, end - at));
    at = end + 1;
  }
}

bool is_prohibited(const Capture& capture) {
  const bool own = capture.thread == std::this_thread::get_id();
  switch (thread_capture_mode()) {
  case CaptureMode::global:
    return own ? capture.mode != CaptureMode::relaxed : capture.mode == CaptureMode::global;
  case CaptureMode::thread_local_: return own && capture.mode != CaptureMode::relaxed;
  case CaptureMode::relaxed: break;
  }
  return false;
}

/// Takes no memory but the first time that `name` is called.
void count_call(State& s, const char* name) {
  const auto known = s.calls.find(name);
  if (known != s.calls.end())
    ++known->second;
  else
    s.calls.emplace(name, 1);
}

Result run(const char* name, unsigned needs, Body body) {
  State& s = state();
  try {
    count_call(s, name);
    const auto injection = s.injections.find(name);
    if (injection != s.injections.end() && injection->second.times != 0) {
      injection->second.times -= injection->second.times > 0 ? 1 : 0;
      return static_cast<Result>(injection->second.result);
    }
    require((needs & kInitialized) == 0 || s.initialized, Result::not_initialized);
    if ((needs & kContext) == kContext)
      current_context();
    if ((needs & kUnsafe) != 0)
      check_capture_safety();
    body();
    return Result::success;
  } catch (const Refused& refused) {
    return refused.result;
  } catch (const std::bad_alloc&) {
    return Result::out_of_memory;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fake CUDA driver: %s\n", error.what());
    return Result::unknown;
  }
}

} // namespace

State::State() {
  driver_version = std::atoi(environment("SWAGE_FAKE_CUDA_VERSION", "13000").c_str());
  trace = environment("SWAGE_FAKE_CUDA_TRACE", "0") != "0";
  memory_pools = environment("SWAGE_FAKE_CUDA_POOLS", "1") != "0";
  if (environment("SWAGE_FAKE_CUDA_WORST", "0") != "0")
    approximation = emulator::Approximation::worst_case;
  jitter = std::atof(environment("SWAGE_FAKE_CUDA_JITTER", "0").c_str());
  if (const char* const limit = std::getenv("SWAGE_FAKE_CUDA_BUDGET"))
    budget = std::strtoull(limit, nullptr, 10);
  std::vector<unsigned> architectures;
  for_parts(environment("SWAGE_FAKE_CUDA_SM", "90"), [&](const std::string& part) {
    architectures.push_back(static_cast<unsigned>(std::atoi(part.c_str())));
  });
  const int count = std::atoi(environment("SWAGE_FAKE_CUDA_DEVICES", "1").c_str());
  for (int i = 0; i < count; ++i) {
    auto device = std::make_unique<Device>();
    device->ordinal = i;
    device->architecture = architectures[std::min<std::size_t>(i, architectures.size() - 1)];
    const unsigned sm = device->architecture;
    const std::string cluster = environment("SWAGE_FAKE_CUDA_CLUSTER", "");
    device->cluster = !cluster.empty() ? static_cast<unsigned>(std::atoi(cluster.c_str()))
                      : sm == 90 || sm == 100 || sm == 103 ? 16
                                                           : 8;
    device->total_memory = 150754820096; // an H200's
    devices.push_back(std::move(device));
  }
  for_parts(environment("SWAGE_FAKE_CUDA_FAIL", ""), [&](const std::string& part) {
    const std::size_t colon = part.find(':');
    if (colon != std::string::npos)
      injections[part.substr(0, colon)] = {std::atoi(part.c_str() + colon + 1), -1};
  });
}

State& state() {
  static State* const instance = new State;
  return *instance;
}

ContextStack& context_stack() {
  thread_local ContextStack stack{};
  return stack;
}

CaptureMode& thread_capture_mode() {
  thread_local CaptureMode mode = CaptureMode::global;
  return mode;
}

bool& in_host_function() {
  thread_local bool inside = false;
  return inside;
}

Context& checked(Context* context) {
  const auto& contexts = state().contexts;
  const auto found = std::find_if(contexts.begin(), contexts.end(),
                                  [&](const auto& known) { return known.get() == context; });
  require(found != contexts.end(), Result::invalid_context);
  require(!context->destroyed, Result::context_is_destroyed);
  return *context;
}

Context& current_context() {
  require(!context_stack().empty() && context_stack().back() != nullptr, Result::invalid_context);
  Context& context = checked(context_stack().back());
  require(context.fault == Result::success, context.fault);
  return context;
}

void revive(Context& context) {
  context.id = state().next_id++;
  context.destroyed = false;
  context.fault = Result::success;
  context.legacy = Stream();
  context.legacy.context = &context;
  context.legacy.legacy = true;
  context.per_thread.clear();
}

Context& make_context(Device& device) {
  State& s = state();
  const auto spare = std::find_if(s.contexts.rbegin(), s.contexts.rend(), [](const auto& each) {
    return each->destroyed && !each->primary;
  });
  Context* context = nullptr;
  if (spare != s.contexts.rend())
    context = spare->get();
  else
    context = s.contexts.emplace_back(std::make_unique<Context>()).get();
  context->device = &device;
  revive(*context);
  return *context;
}

void retire(std::unique_ptr<Module> module) {
  State& s = state();
  for (auto& [name, function] : module->functions) {
    s.functions.erase(function.get());
    *function = Function();
    s.spare_functions.push_back(std::move(function));
  }
  *module = Module();
  s.spare_modules.push_back(std::move(module));
}

void destroy_context(Context& context) {
  State& s = state();
  land();
  context.destroyed = true;
  for (auto place = s.modules.begin(); place != s.modules.end();) {
    if (place->second->context != &context) {
      ++place;
      continue;
    }
    retire(std::move(place->second));
    place = s.modules.erase(place);
  }
  for (auto place = s.streams.begin(); place != s.streams.end();) {
    if (place->second->context != &context) {
      ++place;
      continue;
    }
    *place->second = Stream();
    s.spare_streams.push_back(std::move(place->second));
    place = s.streams.erase(place);
  }
  const auto drop = [&](auto& objects) {
    std::erase_if(objects, [&](const auto& entry) { return entry.second->context == &context; });
  };
  drop(s.events);
  drop(s.executables);
  drop(s.linkers);
  free_blocks(context);
}

Stream& find_stream(Stream* handle) {
  constexpr std::uintptr_t kLegacy = 1;
  constexpr std::uintptr_t kPerThread = 2;
  const auto value = reinterpret_cast<std::uintptr_t>(handle);
  if (value > kPerThread) {
    Stream& stream = checked(state().streams, handle);
    checked(stream.context);
    return stream;
  }
  Context& context = current_context();
  if (value <= kLegacy)
    return context.legacy;
  auto& stream = context.per_thread[std::this_thread::get_id()];
  if (!stream) {
    stream = std::make_unique<Stream>();
    stream->context = &context;
  }
  return *stream;
}

void submit(Stream& stream, Operation operation) {
  Context& context = *stream.context;
  require(context.fault == Result::success, context.fault);
  if (stream.legacy)
    check_legacy(context);
  if (stream.legacy || stream.blocking)
    land();
  if (!stream.capture)
    return operation();
  require(!stream.capture->invalidated, Result::stream_capture_invalidated);
  stream.capture->operations.push_back(std::move(operation));
  if (&stream != stream.capture->origin)
    stream.capture->unjoined.insert(&stream);
}

void land() {
  for (const Operation& operation : std::exchange(state().landing, {}))
    operation();
}

void check_legacy(Context& context) {
  bool broken = false;
  for (const auto& capture : state().captures) {
    if (capture->origin->context == &context && capture->origin->blocking) {
      capture->invalidated = true;
      broken = true;
    }
  }
  require(!broken, Result::stream_capture_implicit);
}

void check_capture_safety() {
  bool broken = false;
  for (const auto& capture : state().captures) {
    if (is_prohibited(*capture)) {
      capture->invalidated = true;
      broken = true;
    }
  }
  require(!broken, Result::stream_capture_unsupported);
}

int call(const char* name, unsigned needs, Body body) {
  if (in_host_function())
    return static_cast<int>(Result::not_permitted);
  State& s = state();
  const std::lock_guard lock(s.mutex);
  const int result = static_cast<int>(run(name, needs, body));
  if (s.trace)
    std::fprintf(stderr, "fake CUDA driver: %s -> %d\n", name, result);
  return result;
}

} // namespace swage::fake
