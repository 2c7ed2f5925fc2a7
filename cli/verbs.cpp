// verbs.cpp -- the table of verbs, in the order that help shows them.
#include "cli/verbs.hpp"

#include <nlohmann/json.hpp>

namespace swage::cli {

namespace {

constexpr Verb kVerbs[] = {
    {"devices", "Show every device, with its measured bandwidth", add_devices},
    {"list", "Show the kernels of the catalogue", add_list},
    {"show", "Show a kernel's source and what it is bound and simplified to", add_show},
    {"check", "Check every kernel of a text, and the types it can be bound to", add_check},
    {"compile", "Compile a kernel and print a form of it", add_compile},
    {"build", "Compile kernels ahead, to link into a program", add_build},
    {"run", "Run a kernel, time it, and verify every element", add_run},
    {"verify", "Show a kernel's errors in ulp, over every input where that is possible",
     add_verify},
    {"certify", "State which references a kernel's outputs equal, over which inputs", add_certify},
    {"tune", "Find the fastest schedule of a kernel by measurement", add_tune},
    {"bench", "Time a kernel by shape, its launches, and the stages of its first call", add_bench},
    {"cache", "Look after the cache of compiled code", add_cache},
};

} // namespace

std::span<const Verb> verbs() noexcept {
  return kVerbs;
}

std::string dump_json(const nlohmann::ordered_json& object) {
  return object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

} // namespace swage::cli
