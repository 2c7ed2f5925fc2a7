// driver_test.cpp -- which driver serves, and what is said when none does.
#include <array>
#include <cstdio>
#include <filesystem>
#include <string>

#include "runtime/cuda/module.hpp"
#include "runtime/device/context_scope.hpp"
#include "runtime/device/device.hpp"
#include "swage/error.hpp"
#include "tests/runtime_cuda/fake_device.hpp"

using namespace swage;
using namespace swage::test;
using Catch::Matchers::Contains;

namespace {

/// What the hidden test below prints in a process with another environment.
std::string seen_with(const std::string& environment) {
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string command =
      "exec env " + environment + " SWAGE_TEST_KEEP_DRIVER=1 '" + program + "' '[.devices]' 2>&1";
  std::array<char, 4096> text{};
  FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string result;
  while (std::fgets(text.data(), static_cast<int>(text.size()), pipe))
    result += text.data();
  pclose(pipe);
  return result;
}

} // namespace

TEST_CASE("devices of this process", "[.devices]") {
  for (const Device& device : Device::all())
    std::printf("found %s\n", device.info().id.c_str());
  try {
    Device::open("cuda:0");
  } catch (const Error& error) {
    std::printf("refused: %s\n", error.what());
  }
}

TEST_CASE("without a driver there is the CPU, and asking for a GPU says why there is none") {
  const std::string seen = seen_with("SWAGE_LIBCUDA_PATH=/nonexistent/libcuda.so");
  CHECK_THAT(seen, Contains("found cpu") && !Contains("found cuda") &&
                       Contains("no device 'cuda:0'") && Contains("/nonexistent/libcuda.so"));
  CHECK_THAT(seen_with("SWAGE_LIBCUDA_PATH="), Contains("CUDA is off"));
}

TEST_CASE("a driver older than 12.0 is refused with its version") {
  CHECK_THAT(seen_with("SWAGE_FAKE_CUDA_VERSION=11080 SWAGE_LIBCUDA_PATH=" SWAGE_FAKE_CUDA_LIBRARY),
             Contains("11.8") && Contains("12.0 or later") && !Contains("found cuda"));
}

TEST_CASE("a driver that fails to start is no driver") {
  CHECK_THAT(
      seen_with("SWAGE_FAKE_CUDA_FAIL=cuInit:100 SWAGE_LIBCUDA_PATH=" SWAGE_FAKE_CUDA_LIBRARY),
      Contains("cuInit failed") && Contains("found cpu"));
}

TEST_CASE("a GPU older than the oldest supported is left out") {
  const std::string seen =
      seen_with("SWAGE_FAKE_CUDA_DEVICES=2 SWAGE_FAKE_CUDA_SM=61,80 SWAGE_LIBCUDA_PATH=" //
                SWAGE_FAKE_CUDA_LIBRARY);
  CHECK_THAT(seen, Contains("cuda:0 is left out") && Contains("found cuda:1"));
}

TEST_CASE("PTX that does not assemble gives the assembler's log with the error") {
  const device::ContextScope scope(*device::open_device("cuda:0"));
  try {
    const cuda::LoadedModule module(".version 8.0\n.target sm_90\n.address_size 64\nnonsense;\n");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::driver);
    CHECK_FALSE(error.build_log().empty());
  }
}
