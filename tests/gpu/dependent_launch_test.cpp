// dependent_launch_test.cpp -- a kernel launched while the grid before it still writes its inputs.
#include "tests/support/catch.hpp"
#include "tests/support/device_support.hpp"
#include "tests/support/gpu.hpp"

using namespace swage;
using namespace swage::test;

namespace {

/// Lets its dependents start, sleeps 100 us, then writes what they read.
constexpr const char* kProducer = R"(
.version 7.8
.target sm_90
.address_size 64
.visible .entry late_writer(.param .u64 out, .param .u32 count, .param .f32 value)
{
  .reg .pred %p<3>;
  .reg .b32 %r<6>;
  .reg .f32 %f<2>;
  .reg .b64 %rd<6>;
  griddepcontrol.launch_dependents;
  mov.u64 %rd0, %globaltimer;
sleep:
  nanosleep.u32 1000;
  mov.u64 %rd1, %globaltimer;
  sub.u64 %rd1, %rd1, %rd0;
  setp.lt.u64 %p0, %rd1, 100000;
  @%p0 bra sleep;
  mov.u32 %r0, %ctaid.x;
  mov.u32 %r1, %ntid.x;
  mov.u32 %r2, %tid.x;
  mad.lo.u32 %r3, %r0, %r1, %r2;
  ld.param.u32 %r4, [count];
  setp.ge.u32 %p1, %r3, %r4;
  @%p1 bra done;
  ld.param.u64 %rd2, [out];
  ld.param.f32 %f0, [value];
  mul.wide.u32 %rd3, %r3, 4;
  add.u64 %rd4, %rd2, %rd3;
  st.global.f32 [%rd4], %f0;
done:
  ret;
}
)";

class Producer {
public:
  Producer() {
    cuda::driver().cuModuleLoadDataEx(&module_, kProducer, 0, nullptr, nullptr);
    cuda::driver().cuModuleGetFunction(&function_, module_, "late_writer");
  }
  ~Producer() { cuda::driver().cuModuleUnload.raw(module_); }
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  void launch(cuda::StreamHandle stream, const Tensor& out, float value) const {
    auto pointer = reinterpret_cast<std::uintptr_t>(out.data);
    auto count = static_cast<std::uint32_t>(out.shape[0]);
    void* params[] = {&pointer, &count, &value};
    cuda::driver().cuLaunchKernel(function_, (count + 255) / 256, 1, 1, 256, 1, 1, 0, stream,
                                  params, nullptr);
  }

private:
  cuda::Module module_ = nullptr;
  cuda::Function function_ = nullptr;
};

/// Whether this is a GPU whose launches can be dependent. (The test double runs one grid after the
/// other.)
bool is_tested(const std::optional<Device>& device) {
  return device && !emulated() && std::stoi(device->info().target.substr(3)) >= 90;
}

/// Launches `kernel`, which doubles x, all of one value, behind a grid that writes x late. Before
/// every other launch nothing of x is in the cache, so what is fetched before the wait is old.
void double_what_comes_late(const Device& device, const Kernel& kernel,
                            std::initializer_list<std::int64_t> shape, int repeats) {
  constexpr std::size_t kMoreThanCache = 32u << 20; // floats
  const CurrentDevice current(device.info().index);
  const cuda::OwnedStream stream = cuda::make_stream();
  const Producer producer;
  const Kernel other = device.kernel("kernel other(z: inout f32) { z = z + 1; }", "", {}, {});
  std::size_t size = 1;
  for (const std::int64_t extent : shape)
    size *= static_cast<std::size_t>(extent);
  const DeviceArray x(device, std::vector<float>(size, -1)), y(device, std::vector<float>(size)),
      z(device, std::vector<float>(kMoreThanCache));
  const Tensor in(x.tensor().data, f32, shape), out(y.tensor().data, f32, shape);
  kernel.prepare({in, out});
  for (int repeat = 0; repeat < repeats; ++repeat) {
    const auto value = static_cast<float>(repeat);
    if (repeat % 2 == 0)
      other.launch(Stream(stream.get()), {z.tensor()});
    producer.launch(stream.get(), x.tensor(), value);
    kernel.launch(Stream(stream.get()), {in, out});
    cuda::driver().cuStreamSynchronize(stream.get());
    CAPTURE(size, repeat);
    REQUIRE(y.get() == std::vector<float>(size, 2 * value));
  }
}

} // namespace

TEST_CASE("a dependent launch reads what the grid before wrote after it let its dependents start") {
  const auto device = gpu();
  if (!is_tested(device))
    return;
  KernelOptions options;
  options.schedule = GENERATE("dependent=1 fetch=0", "dependent=2 fetch=0", "dependent=3",
                              "dependent=1 fetch=1", "dependent=2 fetch=1");
  CAPTURE(options.schedule);
  const Kernel kernel =
      device->kernel("kernel reader(x: in f32, y: out f32) { y = x * 2; }", "", {}, options);
  // Small enough that blocks of both grids are resident together.
  for (const std::int64_t size : {256, 2048, 3420, 8192})
    double_what_comes_late(*device, kernel, {size}, 100);
}

TEST_CASE("rows fetched while the grid before still writes them are read as it leaves them") {
  const auto device = gpu();
  if (!is_tested(device))
    return;
  constexpr const char* kSource =
      "kernel reader(x: in f32, y: out f32) { y = x + row_max(x) + 0 * row_sum(x); }";
  KernelOptions options;
  for (const char* dependent : {" dependent=1 fetch=1", " dependent=2 fetch=1"}) {
    options.schedule = std::string("threads=256 row=256 bytes=4 accesses=4") + dependent;
    CAPTURE(options.schedule);
    double_what_comes_late(*device, device->kernel(kSource, "", {}, options), {6, 1024}, 100);
    options.schedule = std::string("threads=128 row=128 bytes=16 accesses=1 grid=8") + dependent;
    double_what_comes_late(*device, device->kernel(kSource, "", {}, options), {2, 4096}, 100);
  }
}
