// workspace_test.cpp -- workspaces on a device without memory pools.
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/cuda/objects.hpp"
#include "swage/swage.hpp"
#include "tests/runtime_cuda/fake_device.hpp"

using namespace swage;
using namespace swage::test;

namespace {

constexpr std::int64_t kRows = 5, kColumns = 10;

Tensor matrix(const DeviceArray& array) {
  return Tensor(array.tensor().data, f32, {kRows, kColumns});
}

} // namespace

TEST_CASE("a device that has no pools, in a process of its own", "[.no_pools]") {
  const Device device = gpu();
  const CurrentDevice current(0);
  const Kernel kernel =
      device.kernel("kernel s(x: in f32, y: out f32 [col]) { y = col_sum(x); }", "");
  const DeviceArray x(device, counting(kRows * kColumns)), y(device, std::vector<float>(kColumns));
  const std::vector<Arg> arguments{matrix(x), y.tensor()};
  const cuda::OwnedStream stream = cuda::make_stream();

  const std::uint64_t taken = calls("cuMemAlloc_v2"), freed = calls("cuMemFree_v2"),
                      waited = calls("cuStreamSynchronize");
  kernel.launch(Stream(stream.get()), arguments);
  CHECK(y.get()[9] == 9 + 19 + 29 + 39 + 49); // without waiting for the stream
  CHECK(calls("cuMemAlloc_v2") == taken + 1);
  CHECK(calls("cuMemFree_v2") == freed + 1);
  CHECK(calls("cuStreamSynchronize") >= waited + 1);
  CHECK(calls("cuMemAllocAsync") == 0);

  const Buffer memory = device.allocate(kernel.workspace_bytes(arguments));
  LaunchOptions options;
  options.workspace = memory.data();
  options.workspace_bytes = memory.size();
  std::string said;
  const cuda::OwnedGraphExec graph = cuda::capture(stream.get(), [&] {
    try {
      kernel.launch(Stream(stream.get()), arguments);
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::not_prepared);
      said = error.what();
    }
    kernel.launch(Stream(stream.get()), arguments, options);
  });
  CHECK_THAT(said, Catch::Matchers::Contains("pass one of workspace_bytes to the launch"));
  CHECK(calls("cuMemAlloc_v2") == taken + 2); // the buffer
}

TEST_CASE("without memory pools a launch takes its workspace at once and waits, under capture it "
          "asks for one") {
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string command =
      "SWAGE_FAKE_CUDA_POOLS=0 exec '" + program + "' '[.no_pools]' >/dev/null";
  CHECK(std::system(command.c_str()) == 0);
}
