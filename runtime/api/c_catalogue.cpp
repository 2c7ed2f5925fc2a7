// c_catalogue.cpp -- the catalogue through the C ABI: files of kernel text.
#include <string>

#include "kernels/catalogue.hpp"
#include "runtime/api/c_failure.hpp"
#include "runtime/api/c_structs.hpp"
#include "swage/swage.h"

using swage::api::guarded;
using swage::api::require;

extern "C" {

swage_status swage_catalogue_count(size_t* count) {
  return guarded([&] {
    require(count, "count");
    *count = swage::kernels::files().size();
  });
}

swage_status swage_catalogue_file(size_t index, const char** name, const char** text) {
  return guarded([&] {
    require(name, "name");
    require(text, "text");
    const auto files = swage::kernels::files();
    if (index >= files.size())
      throw swage::Error(swage::ErrorCode::invalid_argument,
                         "there is no file " + std::to_string(index) +
                             " of the catalogue, which has " + std::to_string(files.size()));
    *name = files[index].name.data(); // of literals
    *text = files[index].text.data();
  });
}

} // extern "C"
