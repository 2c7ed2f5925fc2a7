// driver_state.hpp -- the objects of the fake driver, and what every entry point goes through.
#pragma once

#include "emulator/driver_types.hpp"
#include "emulator/execute.hpp"

#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace swage::fake {

/// Ends an entry point with this result.
struct Refused {
  Result result;
};

inline void require(bool condition, Result otherwise = Result::invalid_value) {
  if (!condition)
    throw Refused{otherwise};
}

struct Context;
struct Module;

struct Device {
  int ordinal = 0;
  unsigned architecture = 90; ///< 90 for compute capability 9.0
  unsigned cluster = 16;      ///< blocks of the largest one that may be asked for
  std::size_t total_memory = 0;
  std::size_t used_memory = 0;
  emulator::Memory memory; ///< what its kernels may touch
  Context* primary = nullptr;
  unsigned primary_users = 0;
};

/// Work in a stream or a graph.
using Operation = std::function<void()>;

/// A capture in progress; its streams share it.
struct Capture {
  Stream* origin = nullptr;
  CaptureMode mode = CaptureMode::global;
  std::thread::id thread;
  std::uint64_t id = 0;
  bool invalidated = false;
  std::vector<Operation> operations;
  std::set<const Stream*> unjoined; ///< forked streams with work that the origin does not wait for
};

struct Stream {
  Context* context = nullptr;
  bool blocking = true; ///< ordered with the legacy stream
  bool legacy = false;
  int priority = 0;
  std::shared_ptr<Capture> capture;
};

struct Event {
  Context* context = nullptr;
  bool timed = true;
  bool recorded = false;
  double time_ns = 0;               ///< of the device's clock
  std::shared_ptr<Capture> capture; ///< of the stream it was last recorded in
  const Stream* stream = nullptr;   ///< that stream
};

struct Graph {
  std::vector<Operation> operations;
};

struct GraphExec {
  Context* context = nullptr;
  std::vector<Operation> operations;
};

struct Function {
  Module* module = nullptr;
  const emulator::Program* program = nullptr;
  bool loaded = false; ///< its code is on the device, as modules load lazily
  int max_dynamic_shared = 48 * 1024;
  bool has_large_clusters = false; ///< of more blocks than every device has in one
};

struct Module {
  Context* context = nullptr;
  unsigned ptx_version = 0;
  std::shared_ptr<emulator::Image> image;
  std::map<std::string, std::unique_ptr<Function>> functions;
};

struct Context {
  Device* device = nullptr;
  unsigned long long id = 0;
  bool destroyed = false;
  bool primary = false;
  Result fault = Result::success; ///< sticky
  Stream legacy;
  std::map<std::thread::id, std::unique_ptr<Stream>> per_thread;
};

struct Linker {
  Context* context = nullptr;
  std::function<void(const std::string&)> report; ///< to the log of cuLinkCreate's options
  std::string text;
  std::string cubin;
};

struct Block { ///< cuMemAlloc, cuMemAllocAsync or cuMemAllocHost
  emulator::Allocation allocation;
  Context* context = nullptr;
  bool host = false;
  bool of_graph = false; ///< taken during a capture
};

/// A fault injected by a test.
struct Injection {
  int result = 0;
  int times = 0; ///< negative: for ever
};

inline constexpr std::uint32_t kFirstJitter = 1;

struct State {
  State();

  std::recursive_mutex mutex;
  bool initialized = false;
  int driver_version = 13000;
  bool trace = false;
  bool memory_pools = true;
  std::vector<std::unique_ptr<Device>> devices;

  // Handles are checked against these; a context stays after it is destroyed, until its handle is
  // given out again.
  std::vector<std::unique_ptr<Context>> contexts;
  std::map<const void*, std::unique_ptr<Module>> modules;
  std::map<const void*, Function*> functions;
  std::map<const void*, std::unique_ptr<Stream>> streams;
  std::map<const void*, std::unique_ptr<Event>> events;
  std::map<const void*, std::unique_ptr<Graph>> graphs;
  std::map<const void*, std::unique_ptr<GraphExec>> executables;
  std::map<const void*, std::unique_ptr<Linker>> linkers;
  std::map<DevicePointer, Block> blocks; ///< by base
  /// What destroyed contexts left behind, given out again first, the latest before the others: as
  /// with a real driver, what is made after a reset can have the handle of something from before.
  std::vector<std::unique_ptr<Module>> spare_modules;
  std::vector<std::unique_ptr<Function>> spare_functions;
  std::vector<std::unique_ptr<Stream>> spare_streams;
  std::vector<std::pair<DevicePointer, std::size_t>> spare_addresses; ///< with their sizes
  std::vector<std::shared_ptr<Capture>> captures;

  DevicePointer next_address = 0x200000000000;
  unsigned long long next_id = 1;
  /// Copies from host memory that have returned and not arrived: see `land`.
  std::vector<Operation> landing;
  double clock_ns = 0; ///< of every device: a model, so that timings do not depend on the host

  std::map<std::string, unsigned long long, std::less<>> calls;
  std::map<std::string, Injection, std::less<>> injections;
  emulator::Statistics statistics;
  emulator::Approximation approximation = emulator::Approximation::nearest;
  unsigned long long seed = 0;
  unsigned long long budget = ~0ULL; ///< instructions still executed in full grids
  double jitter = 0;                 ///< share that a time between events is longer by, at most
  std::uint32_t jitter_state = kFirstJitter; ///< of the generator
  std::string last_fault;
};

/// Made at first use and never destroyed: the library may be called until the process ends.
State& state();

/// Contexts of a thread. Trivial: it is used while a process ends, when the objects of a thread
/// that have destructors are gone.
class ContextStack {
public:
  bool empty() const { return size_ == 0; }
  Context* back() const { return contexts_[size_ - 1]; }
  void pop_back() { --size_; }
  void push_back(Context* context) {
    require(size_ < kMost, Result::invalid_value);
    contexts_[size_++] = context;
  }

private:
  static constexpr std::size_t kMost = 64;
  Context* contexts_[kMost];
  std::size_t size_;
};

/// This thread's stack of contexts.
ContextStack& context_stack();
/// This thread's interaction with captures.
CaptureMode& thread_capture_mode();
/// True inside a function of cuLaunchHostFunc, which may not call the driver.
bool& in_host_function();

/// The current context, alive and without fault. Throws Refused.
Context& current_context();
/// The context behind a handle. Throws Refused.
Context& checked(Context* context);

template <class T>
T& checked(std::map<const void*, std::unique_ptr<T>>& objects, const T* handle,
           Result otherwise = Result::invalid_handle) {
  const auto found = objects.find(handle);
  require(found != objects.end(), otherwise);
  return *found->second;
}

template <class T>
T* keep(std::map<const void*, std::unique_ptr<T>>& objects, std::unique_ptr<T> object) {
  T* const handle = object.get();
  objects.emplace(handle, std::move(object));
  return handle;
}

/// A context with an id of its own, and the handle of one that was destroyed if there is one.
Context& make_context(Device& device);
/// Brings a destroyed context back to life, empty, with a new id.
void revive(Context& context);
void destroy_context(Context& context);
/// Unloads a module and keeps its handles for others.
void retire(std::unique_ptr<Module> module);

/// An object whose handle was another's before, if there is one.
template <class T>
std::unique_ptr<T> reuse(std::vector<std::unique_ptr<T>>& spares) {
  if (spares.empty())
    return std::make_unique<T>();
  std::unique_ptr<T> object = std::move(spares.back());
  spares.pop_back();
  return object;
}

/// The stream behind a handle, the special ones included. Throws Refused.
Stream& find_stream(Stream* handle);
/// Runs the operation now, or records it where the stream captures.
void submit(Stream& stream, Operation operation);

/// Ends the copies from pageable memory that a driver still has on their way when cuMemcpyHtoD
/// returns: they are in the order of the legacy stream, and no other non-blocking stream waits.
void land();
/// Refuses a synchronous operation on the legacy stream while a blocking stream captures.
void check_legacy(Context& context);
/// Refuses, and breaks the captures, where this thread may not allocate, load or synchronise.
void check_capture_safety();
/// The device, host or unregistered memory at `address`; `bytes` of it are there.
std::byte* host_address(DevicePointer address, std::size_t bytes);
void free_blocks(const Context& context);

enum Needs : unsigned {
  kNothing = 0,
  kInitialized = 1,
  kContext = 3, ///< a current context without fault
  kUnsafe = 4,  ///< prohibited while some streams capture
};

/// What an entry point does, for the length of the call: refers to the caller's lambda, for a copy
/// of it could take memory where nothing yet turns its lack into a result.
class Body {
public:
  template <class F>
  Body(const F& function)
      : function_(&function), run_([](const void* f) { (*static_cast<const F*>(f))(); }) {}
  void operator()() const { run_(function_); }

private:
  const void* function_;
  void (*run_)(const void*);
};

/// Counts the call, injects failures, checks what it needs, and runs `body` under the lock. Throws
/// nothing: memory that runs out is a result, as it is of a driver.
int call(const char* name, unsigned needs, Body body);

} // namespace swage::fake

#define FAKE_CUDA_EXPORT extern "C" __attribute__((visibility("default")))
