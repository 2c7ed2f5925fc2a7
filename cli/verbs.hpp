// verbs.hpp -- the verbs of the command: one file each, one row each in verbs.cpp.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace CLI {
class App;
}

namespace swage::cli {

/// What a verb has to say: a person sees `text`, a program (--json) sees `object`.
struct Report {
  int status = 0; ///< exit status: 0 done, 1 it failed
  std::string text;
  std::string object; ///< one JSON object
};

/// Makes the report's object of a JSON value; invalid UTF-8 is replaced, never an error.
std::string dump_json(const nlohmann::ordered_json& object);

using Action = std::function<Report()>;

struct Verb {
  std::string_view name;
  std::string_view summary; ///< one line of help
  /// Adds the verb's options to its subcommand and gives what runs once they are parsed.
  Action (*add)(CLI::App& app);
};

std::span<const Verb> verbs() noexcept;

Action add_bench(CLI::App& app);
Action add_build(CLI::App& app);
Action add_cache(CLI::App& app);
Action add_certify(CLI::App& app);
Action add_check(CLI::App& app);
Action add_compile(CLI::App& app);
Action add_devices(CLI::App& app);
Action add_list(CLI::App& app);
Action add_run(CLI::App& app);
Action add_show(CLI::App& app);
Action add_tune(CLI::App& app);
Action add_verify(CLI::App& app);

} // namespace swage::cli
