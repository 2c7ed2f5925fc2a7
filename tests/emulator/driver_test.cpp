// driver_test.cpp -- the fake driver, called through its exported names.
#include "tests/emulator/fake_driver.hpp"

#include <cstring>
#include <thread>

using namespace swage::fake;
using namespace swage::fake::testing;

namespace {

// data[i] += value; block of 64.
const char* const kAdd = R"(
.version 8.0
.target sm_75
.address_size 64
.visible .entry add(.param .u64 data, .param .u32 value, .param .u32 n)
.reqntid 64, 1, 1
{
  .reg .pred %p;
  .reg .b32 %r<7>;
  .reg .b64 %rd<3>;
  mov.u32 %r0, %ctaid.x;
  mov.u32 %r1, %tid.x;
  mad.lo.s32 %r2, %r0, 64, %r1;
  ld.param.u32 %r3, [n];
  setp.ge.u32 %p, %r2, %r3;
  @%p ret;
  ld.param.u64 %rd0, [data];
  mul.wide.u32 %rd1, %r2, 4;
  add.s64 %rd2, %rd0, %rd1;
  ld.param.u32 %r4, [value];
  ld.global.u32 %r5, [%rd2];
  add.u32 %r6, %r5, %r4;
  st.global.u32 [%rd2], %r6;
  ret;
}
)";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

constexpr int operator+(Result result) {
  return static_cast<int>(result);
}

struct AddCall {
  DevicePointer data;
  unsigned value;
  unsigned n;
  std::vector<void*> parameters() { return {&data, &value, &n}; }
};

} // namespace

TEST_CASE("a program can load PTX, launch it and read the result") {
  Session session;
  Handle add = session.function(kAdd, "add");
  AddCall arguments{session.upload(std::vector<unsigned>(100, 1)), 5, 100};
  CHECK(launch(add, 2, 64, nullptr, arguments.parameters()) == 0);
  CHECK(call("cuCtxSynchronize") == 0);
  CHECK(session.download<unsigned>(arguments.data, 100) == std::vector<unsigned>(100, 6));
  CHECK(calls("cuLaunchKernel") == 1);
  CHECK(control<swage_fake_cuda_count>("swage_fake_cuda_executed", "st.global") == 100);
}

TEST_CASE("calls are counted by name until the next reset") {
  Session session;
  int count = 0;
  call("cuDeviceGetCount", &count);
  call("cuDeviceGetCount", &count);
  CHECK(count == 1);
  CHECK(calls("cuDeviceGetCount") == 2);
  CHECK(calls(nullptr) == 3); // and cuCtxCreate_v2
  swage_fake_cuda_counter counters[8];
  REQUIRE(control<std::size_t>("swage_fake_cuda_counters", &counters[0], std::size_t{8}) == 2);
  CHECK(std::string(counters[1].name) == "cuDeviceGetCount");
  CHECK(counters[1].calls == 2);
  control<void>("swage_fake_cuda_reset");
  CHECK(calls(nullptr) == 0);
}

TEST_CASE("a fault shows in the calls after the launch and stays") {
  Session session;
  Handle add = session.function(kAdd, "add");
  AddCall arguments{session.upload(std::vector<unsigned>(100, 1)), 5, 101};
  CHECK(launch(add, 2, 64, nullptr, arguments.parameters()) == 0);
  CHECK(call("cuCtxSynchronize") == +Result::illegal_address);
  CHECK(launch(add, 1, 64, nullptr, arguments.parameters()) == +Result::illegal_address);
  DevicePointer pointer = 0;
  CHECK(call("cuMemAlloc_v2", &pointer, std::size_t{16}) == +Result::illegal_address);
  const std::string fault = control<const char*>("swage_fake_cuda_last_fault");
  CHECK(fault.find("ld.global.u32") != std::string::npos);
}

TEST_CASE("a misaligned pointer is reported as such") {
  Session session;
  Handle add = session.function(kAdd, "add");
  AddCall arguments{session.upload(std::vector<unsigned>(100, 1)) + 2, 5, 1};
  CHECK(launch(add, 1, 64, nullptr, arguments.parameters()) == 0);
  CHECK(call("cuStreamSynchronize", Handle{}) == +Result::misaligned_address);
}

TEST_CASE("a launch that the kernel does not allow is refused at once") {
  Session session;
  Handle add = session.function(kAdd, "add");
  AddCall arguments{session.upload(std::vector<unsigned>(64, 1)), 5, 64};
  CHECK(launch(add, 1, 32, nullptr, arguments.parameters()) == +Result::invalid_value);
  CHECK(launch(add, 0, 64, nullptr, arguments.parameters()) == +Result::invalid_value);
  CHECK(launch(reinterpret_cast<Handle>(&arguments), 1, 64, nullptr, arguments.parameters()) ==
        +Result::invalid_handle);
  CHECK(call("cuLaunchKernel", add, 1U, 1U, 1U, 64U, 1U, 1U, 0U, Handle{},
             static_cast<void**>(nullptr), static_cast<void**>(nullptr)) == +Result::invalid_value);
  CHECK(session.download<unsigned>(arguments.data, 1).front() == 1);
}

TEST_CASE("more than eight blocks of a cluster have to be asked for") {
  Session session;
  const auto launch = [](Handle function) {
    return call("cuLaunchKernel", function, 16U, 1U, 1U, 32U, 1U, 1U, 0U, Handle{},
                static_cast<void**>(nullptr), static_cast<void**>(nullptr));
  };
  const auto function = [&](const char* blocks) {
    return session.function(std::string(".version 8.1\n.target sm_90\n.address_size 64\n"
                                        ".visible .entry k() .explicitcluster "
                                        ".reqnctapercluster ") +
                                blocks + " { ret; }",
                            "k");
  };
  CHECK(launch(function("8")) == 0);
  Handle sixteen = function("16");
  int width = 0;
  CHECK(call("cuFuncGetAttribute", &width, 11, sixteen) == 0);
  CHECK(width == 16);
  CHECK(launch(sixteen) == +Result::invalid_cluster_size);
  CHECK(call("cuFuncSetAttribute", sixteen, 14, 1) == 0);
  CHECK(launch(sixteen) == 0);
}

TEST_CASE("bad PTX is refused with a log that names the line") {
  Session session;
  char log[512] = "untouched";
  int options[] = {5, 6};
  void* values[] = {log, reinterpret_cast<void*>(sizeof(log))};
  Handle module = nullptr;
  const auto load = [&](const std::string& text) {
    values[1] = reinterpret_cast<void*>(sizeof(log));
    return call("cuModuleLoadDataEx", &module, text.c_str(), 2U, &options[0], &values[0]);
  };
  CHECK(load(replaced(kAdd, "add.u32", "frob.u32")) == +Result::invalid_ptx);
  CHECK(std::string(log).find("line 22; error   : unknown instruction: 'frob.u32") !=
        std::string::npos);
  CHECK(reinterpret_cast<std::size_t>(values[1]) == std::strlen(log));
  CHECK(load(replaced(kAdd, "ret;\n}", "")) == +Result::invalid_ptx);
  CHECK(load(replaced(kAdd, "8.0", "9.9")) == +Result::unsupported_ptx_version);
  CHECK(std::string(log).find("Unsupported .version 9.9; current version is '9.0'") !=
        std::string::npos);
  CHECK(load(replaced(kAdd, "sm_75", "sm_100")) == +Result::no_binary_for_gpu);
  CHECK(load(replaced(kAdd, "sm_75", "sm_80a")) == +Result::no_binary_for_gpu);
  CHECK(load(kAdd) == 0);
  CHECK(std::string(log).empty());
}

TEST_CASE("linked code loads as the PTX it was made of, unless it was damaged") {
  Session session;
  Handle linker = nullptr;
  REQUIRE(call("cuLinkCreate_v2", 0U, static_cast<int*>(nullptr), static_cast<void**>(nullptr),
               &linker) == 0);
  std::string text = kAdd;
  REQUIRE(call("cuLinkAddData_v2", linker, 1, static_cast<void*>(text.data()), text.size() + 1,
               "name", 0U, static_cast<int*>(nullptr), static_cast<void**>(nullptr)) == 0);
  void* cubin = nullptr;
  std::size_t bytes = 0;
  REQUIRE(call("cuLinkComplete", linker, &cubin, &bytes) == 0);
  std::string image(static_cast<const char*>(cubin), bytes);
  CHECK(call("cuLinkDestroy", linker) == 0);
  CHECK(call("cuLinkDestroy", linker) == +Result::invalid_handle);
  Handle module = nullptr;
  CHECK(call("cuModuleLoadData", &module, static_cast<const char*>(image.data())) == 0);
  CHECK(call("cuModuleUnload", module) == 0);
  CHECK(call("cuModuleUnload", module) == +Result::invalid_handle);
  image.back() ^= 1;
  CHECK(call("cuModuleLoadData", &module, static_cast<const char*>(image.data())) ==
        +Result::invalid_image);
}

TEST_CASE("a captured stream runs nothing until its graph is launched, each time anew") {
  Session session;
  Handle add = session.function(kAdd, "add");
  AddCall arguments{session.upload(std::vector<unsigned>(64, 1)), 5, 64};
  Handle stream = nullptr;
  REQUIRE(call("cuStreamCreate", &stream, 1U) == 0);
  REQUIRE(call("cuStreamBeginCapture_v2", stream, CaptureMode::global) == 0);
  auto status = CaptureStatus::none;
  CHECK(call("cuStreamIsCapturing", stream, &status) == 0);
  CHECK(status == CaptureStatus::active);
  CHECK(launch(add, 1, 64, stream, arguments.parameters()) == 0);
  arguments.value = 7; // parameters were copied
  CHECK(launch(add, 1, 64, stream, arguments.parameters()) == 0);
  Handle graph = nullptr;
  REQUIRE(call("cuStreamEndCapture", stream, &graph) == 0);
  CHECK(session.download<unsigned>(arguments.data, 64).front() == 1);
  std::size_t nodes = 0;
  CHECK(call("cuGraphGetNodes", graph, static_cast<void**>(nullptr), &nodes) == 0);
  CHECK(nodes == 2);
  Handle executable = nullptr;
  REQUIRE(call("cuGraphInstantiateWithFlags", &executable, graph, 0ULL) == 0);
  CHECK(call("cuGraphDestroy", graph) == 0);
  CHECK(call("cuGraphLaunch", executable, stream) == 0);
  CHECK(call("cuGraphLaunch", executable, stream) == 0);
  CHECK(session.download<unsigned>(arguments.data, 64) == std::vector<unsigned>(64, 25));
  CHECK(call("cuGraphExecDestroy", executable) == 0);
  CHECK(control<swage_fake_cuda_count>("swage_fake_cuda_live", "graph") == 0);
}

TEST_CASE("allocating or loading during a global capture breaks it, unless exempt") {
  Session session;
  Handle stream = nullptr;
  REQUIRE(call("cuStreamCreate", &stream, 1U) == 0);
  const auto begin = [&](CaptureMode mode) {
    REQUIRE(call("cuStreamBeginCapture_v2", stream, mode) == 0);
  };
  Handle graph = nullptr;
  DevicePointer pointer = 0;
  Handle module = nullptr;

  begin(CaptureMode::global);
  CHECK(call("cuMemAlloc_v2", &pointer, std::size_t{16}) == +Result::stream_capture_unsupported);
  CHECK(call("cuStreamEndCapture", stream, &graph) == +Result::stream_capture_invalidated);

  begin(CaptureMode::global);
  CHECK(call("cuModuleLoadData", &module, kAdd) == +Result::stream_capture_unsupported);
  CHECK(call("cuStreamEndCapture", stream, &graph) == +Result::stream_capture_invalidated);

  begin(CaptureMode::global);
  CHECK(call("cuStreamSynchronize", stream) == +Result::stream_capture_unsupported);
  CHECK(call("cuStreamEndCapture", stream, &graph) == +Result::stream_capture_invalidated);

  begin(CaptureMode::global);
  auto mode = CaptureMode::relaxed;
  CHECK(call("cuThreadExchangeStreamCaptureMode", &mode) == 0);
  CHECK(mode == CaptureMode::global);
  CHECK(call("cuModuleLoadData", &module, kAdd) == 0);
  CHECK(call("cuThreadExchangeStreamCaptureMode", &mode) == 0);
  CHECK(call("cuStreamEndCapture", stream, &graph) == 0);

  begin(CaptureMode::thread_local_);
  int other = -1;
  std::thread([&] {
    call("cuCtxSetCurrent", session.context);
    other = call("cuMemAlloc_v2", &pointer, std::size_t{16});
  }).join();
  CHECK(other == 0);
  CHECK(call("cuStreamEndCapture", stream, &graph) == 0);
}

TEST_CASE("the legacy stream does not mix with a capture of a blocking stream") {
  Session session;
  Handle add = session.function(kAdd, "add");
  AddCall arguments{session.upload(std::vector<unsigned>(64, 1)), 5, 64};
  Handle stream = nullptr;
  Handle graph = nullptr;
  CHECK(call("cuStreamBeginCapture_v2", Handle{}, CaptureMode::global) ==
        +Result::stream_capture_unsupported);
  REQUIRE(call("cuStreamCreate", &stream, 0U) == 0);
  REQUIRE(call("cuStreamBeginCapture_v2", stream, CaptureMode::global) == 0);
  auto status = CaptureStatus::none;
  CHECK(call("cuStreamIsCapturing", Handle{}, &status) == +Result::stream_capture_implicit);
  CHECK(launch(add, 1, 64, nullptr, arguments.parameters()) == +Result::stream_capture_implicit);
  CHECK(call("cuStreamEndCapture", stream, &graph) == +Result::stream_capture_invalidated);
}

TEST_CASE("a capture spreads over events and must be joined again") {
  Session session;
  Handle add = session.function(kAdd, "add");
  AddCall arguments{session.upload(std::vector<unsigned>(64, 1)), 5, 64};
  Handle main = nullptr;
  Handle side = nullptr;
  Handle fork = nullptr;
  Handle join = nullptr;
  Handle graph = nullptr;
  REQUIRE(call("cuStreamCreate", &main, 1U) == 0);
  REQUIRE(call("cuStreamCreate", &side, 1U) == 0);
  REQUIRE(call("cuEventCreate", &fork, 2U) == 0);
  REQUIRE(call("cuEventCreate", &join, 2U) == 0);
  const auto fork_and_run = [&] {
    REQUIRE(call("cuStreamBeginCapture_v2", main, CaptureMode::global) == 0);
    CHECK(call("cuEventRecord", fork, main) == 0);
    CHECK(call("cuStreamWaitEvent", side, fork, 0U) == 0);
    CHECK(launch(add, 1, 64, side, arguments.parameters()) == 0);
  };
  fork_and_run();
  CHECK(call("cuStreamEndCapture", main, &graph) == +Result::stream_capture_unjoined);

  fork_and_run();
  CHECK(call("cuEventRecord", join, side) == 0);
  CHECK(call("cuStreamWaitEvent", main, join, 0U) == 0);
  CHECK(call("cuStreamEndCapture", main, &graph) == 0);
  CHECK(call("cuEventSynchronize", join) == +Result::captured_event);
  CHECK(session.download<unsigned>(arguments.data, 1).front() == 1);
}

TEST_CASE("injected failures do nothing but return their code") {
  Session session;
  DevicePointer pointer = 0;
  control<void>("swage_fake_cuda_fail", "cuMemAlloc_v2", +Result::out_of_memory, 1);
  CHECK(call("cuMemAlloc_v2", &pointer, std::size_t{16}) == +Result::out_of_memory);
  CHECK(pointer == 0);
  CHECK(call("cuMemAlloc_v2", &pointer, std::size_t{16}) == 0);
  CHECK(calls("cuMemAlloc_v2") == 2);
}

TEST_CASE("contexts: none, another, and one that is gone") {
  DevicePointer pointer = 0;
  REQUIRE(call("cuInit", 0U) == 0);
  Handle current = reinterpret_cast<Handle>(&pointer);
  CHECK(call("cuCtxGetCurrent", &current) == 0);
  CHECK(current == nullptr);
  CHECK(call("cuMemAlloc_v2", &pointer, std::size_t{16}) == +Result::invalid_context);
  Handle gone = nullptr;
  {
    Session first;
    gone = first.context;
    Handle add = first.function(kAdd, "add");
    AddCall arguments{first.upload(std::vector<unsigned>(64, 1)), 5, 64};
    Session second;
    unsigned long long one = 0;
    unsigned long long two = 0;
    CHECK(call("cuCtxGetId", first.context, &one) == 0);
    CHECK(call("cuCtxGetId", Handle{}, &two) == 0);
    CHECK(one != two);
    CHECK(launch(add, 1, 64, nullptr, arguments.parameters()) == +Result::invalid_handle);
  }
  CHECK(call("cuCtxPushCurrent_v2", gone) == +Result::context_is_destroyed);
  CHECK(control<swage_fake_cuda_count>("swage_fake_cuda_live", "module") == 0);
  CHECK(control<swage_fake_cuda_count>("swage_fake_cuda_live", "allocation") == 0);
}

TEST_CASE("the primary context is shared and lives as long as it is retained") {
  REQUIRE(call("cuInit", 0U) == 0);
  Handle one = nullptr;
  Handle two = nullptr;
  unsigned flags = 0;
  int active = 1;
  CHECK(call("cuDevicePrimaryCtxGetState", 0, &flags, &active) == 0);
  CHECK(active == 0);
  CHECK(call("cuDevicePrimaryCtxRetain", &one, 0) == 0);
  CHECK(call("cuDevicePrimaryCtxRetain", &two, 0) == 0);
  CHECK(one == two);
  CHECK(call("cuDevicePrimaryCtxRelease_v2", 0) == 0);
  CHECK(call("cuCtxPushCurrent_v2", one) == 0);
  CHECK(call("cuCtxPopCurrent_v2", &two) == 0);
  CHECK(call("cuDevicePrimaryCtxRelease_v2", 0) == 0);
  CHECK(call("cuCtxPushCurrent_v2", one) == +Result::context_is_destroyed);
}

TEST_CASE("pointers tell device, range and kind; strangers are refused") {
  Session session;
  const DevicePointer pointer = session.upload(std::vector<char>(100));
  int ordinal = -1;
  CHECK(call("cuPointerGetAttribute", &ordinal, 9, pointer + 99) == 0);
  CHECK(ordinal == 0);
  DevicePointer base = 0;
  CHECK(call("cuPointerGetAttribute", &base, 11, pointer + 99) == 0);
  CHECK(base == pointer);
  CHECK(call("cuPointerGetAttribute", &ordinal, 9, pointer + 100) == +Result::invalid_value);
  CHECK(call("cuPointerGetAttribute", &ordinal, 9, reinterpret_cast<DevicePointer>(&ordinal)) ==
        +Result::invalid_value);
  CHECK(call("cuMemcpyHtoD_v2", pointer + 1, static_cast<const void*>(&base), std::size_t{100}) ==
        +Result::invalid_value);
}

TEST_CASE("event times follow a model of the device, so that they repeat") {
  Session session;
  Handle add = session.function(kAdd, "add");
  AddCall arguments{session.upload(std::vector<unsigned>(64, 1)), 5, 64};
  Handle start = nullptr;
  Handle end = nullptr;
  REQUIRE(call("cuEventCreate", &start, 0U) == 0);
  REQUIRE(call("cuEventCreate", &end, 0U) == 0);
  const auto time = [&](int launches) {
    CHECK(call("cuEventRecord", start, Handle{}) == 0);
    for (int i = 0; i < launches; ++i)
      CHECK(launch(add, 1, 64, nullptr, arguments.parameters()) == 0);
    CHECK(call("cuEventRecord", end, Handle{}) == 0);
    float milliseconds = 0;
    CHECK(call("cuEventElapsedTime", &milliseconds, start, end) == 0);
    return milliseconds;
  };
  CHECK(time(1) == Approx(0.002).epsilon(0.01));
  CHECK(time(10) == Approx(0.02).epsilon(0.01));
}

TEST_CASE("with the budget spent a grid costs its time and runs its first block") {
  Session session;
  Handle add = session.function(kAdd, "add");
  AddCall arguments{session.upload(std::vector<unsigned>(640000, 1)), 5, 640000};
  Handle start = nullptr;
  Handle end = nullptr;
  REQUIRE(call("cuEventCreate", &start, 0U) == 0);
  REQUIRE(call("cuEventCreate", &end, 0U) == 0);
  const auto time = [&] {
    CHECK(call("cuEventRecord", start, Handle{}) == 0);
    CHECK(launch(add, 10000, 64, nullptr, arguments.parameters()) == 0);
    CHECK(call("cuEventRecord", end, Handle{}) == 0);
    float milliseconds = 0;
    CHECK(call("cuEventElapsedTime", &milliseconds, start, end) == 0);
    return milliseconds;
  };
  const float whole = time();
  control<void>("swage_fake_cuda_set_budget", 0ULL);
  const float sampled = time();
  control<void>("swage_fake_cuda_set_budget", ~0ULL);
  CHECK(sampled == Approx(whole).epsilon(1e-3));
  const auto data = session.download<unsigned>(arguments.data, 65);
  CHECK(data[63] == 11);
  CHECK(data[64] == 6);
}

TEST_CASE("every entry point that the runtime's table names is there") {
#define SWAGE_CUDA(symbol, since, parameters) #symbol,
  const char* const names[] = {
#include "runtime/cuda/driver.def"
  };
  void* const library = dlopen(SWAGE_FAKE_CUDA_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  for (const char* const name : names) {
    INFO(name);
    CHECK(dlsym(library, name) != nullptr);
  }
}

TEST_CASE("entry points are found by name and version") {
  Session session;
  void* pointer = nullptr;
  int status = -1;
  CHECK(call("cuGetProcAddress_v2", "cuMemAlloc", &pointer, 12000, 0ULL, &status) == 0);
  CHECK(status == 0);
  DevicePointer memory = 0;
  REQUIRE(pointer != nullptr);
  CHECK(reinterpret_cast<int (*)(DevicePointer*, std::size_t)>(pointer)(&memory, 16) == 0);
  CHECK(memory != 0);
  CHECK(call("cuGetProcAddress_v2", "cuFrob", &pointer, 12000, 0ULL, &status) ==
        +Result::not_found);
  CHECK(pointer == nullptr);
}

TEST_CASE("a host function may not call the driver") {
  Session session;
  int result = -1;
  struct Note {
    static void run(void* data) {
      int count = 0;
      *static_cast<int*>(data) = call("cuDeviceGetCount", &count);
    }
  };
  CHECK(call("cuLaunchHostFunc", Handle{}, &Note::run, static_cast<void*>(&result)) == 0);
  CHECK(result == +Result::not_permitted);
}
