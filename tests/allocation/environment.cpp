// environment.cpp -- keeps tests away from the user's cache, unless they are told of one.
#include <cstdlib>

namespace {

[[maybe_unused]] const int kept_in_memory = setenv("SWAGE_CACHE_DIR", "", 0);

} // namespace
