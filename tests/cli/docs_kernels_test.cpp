// docs_kernels_test.cpp -- docs/kernels.md is what the catalogue says.
#include "tests/cli/subprocess.hpp"
#include "tests/support/catch.hpp"

TEST_CASE("docs/kernels.md is current: swage list --markdown > docs/kernels.md") {
  const swage::test::Outcome listed = swage::test::run_swage({"list", "--markdown"});
  CHECK(listed.status == 0);
  CHECK(swage::test::read_text(SWAGE_SOURCE_DIR "/docs/kernels.md") == listed.out);
}
