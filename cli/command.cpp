// command.cpp -- the whole command, from arguments to exit status.
#include "cli/command.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>
#include <sstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "cli/verbs.hpp"
#include "ir/nearest.hpp"
#include "swage/swage.hpp"

namespace swage::cli {

namespace {

constexpr const char* kExamples = R"(
Examples:
  swage list
  swage run swiglu --shape 4096x14336 -D T=bf16 --verify
  swage run swiglu --input layer.safetensors --output h.safetensors
  swage compile swiglu -D T=bf16 --arch sm_90 --emit ptx
  swage check mine.swg

Exit status: 0 done; 1 it failed; 2 the command line or the kernel text was wrong.
)";

/// Reports a failure on stderr; with --json as an object on stdout too.
struct Failure {
  int status = kFailed;
  std::string code, message, build_log;
};

std::string_view name_of(ErrorCode code) {
  switch (code) {
  case ErrorCode::invalid_kernel: return "invalid_kernel";
  case ErrorCode::invalid_argument: return "invalid_argument";
  case ErrorCode::unsupported: return "unsupported";
  case ErrorCode::no_device: return "no_device";
  case ErrorCode::driver: return "driver";
  case ErrorCode::out_of_memory: return "out_of_memory";
  case ErrorCode::io: return "io";
  case ErrorCode::not_prepared: return "not_prepared";
  case ErrorCode::internal: return "internal";
  }
  return "internal";
}

Failure failure_of(const Error& error) {
  const bool usage =
      error.code() == ErrorCode::invalid_kernel || error.code() == ErrorCode::invalid_argument;
  return {usage ? kUsage : kFailed, std::string(name_of(error.code())), error.what(),
          error.build_log()};
}

/// Writes all of `text` to stdout. A reader that has gone away (`swage ... | head`) wanted no more:
/// that is no failure. Any other write error is.
bool write_out(std::string_view text) {
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0)
    return true;
  if (errno == EPIPE)
    return true;
  std::fprintf(stderr, "swage: cannot write the output: %s\n", std::strerror(errno));
  return false;
}

/// Diagnostics of kernel text open with their own place, so they take no prefix.
void report(const Failure& failure, bool json) {
  const bool placed = failure.code == name_of(ErrorCode::invalid_kernel) &&
                      failure.message.find('\n') != std::string::npos;
  std::string text = (placed ? "" : "swage: ") + failure.message;
  if (!text.ends_with('\n'))
    text += '\n';
  if (!failure.build_log.empty())
    text += "build log:\n" + failure.build_log + '\n';
  std::fwrite(text.data(), 1, text.size(), stderr);
  if (json) {
    nlohmann::ordered_json object = {{"code", failure.code}, {"message", failure.message}};
    if (!failure.build_log.empty())
      object["build_log"] = failure.build_log;
    write_out(dump_json({{"error", object}}));
  }
}

int run_action(const Action& action, bool json) {
  Failure failure;
  try {
    const Report result = action();
    return write_out(json ? result.object : result.text) ? result.status : kFailed;
  } catch (const Error& error) {
    failure = failure_of(error);
  } catch (const std::bad_alloc&) {
    failure = {kFailed, "out_of_memory", "the host's memory ran out; use a smaller shape", ""};
  } catch (const std::exception& error) {
    failure = {kFailed, "internal", error.what(), ""};
  }
  report(failure, json);
  return failure.status;
}

/// The word that stands where a verb belongs: the first one that CLI11 could not place.
std::string unknown_verb(const CLI::App& app) {
  if (!app.get_subcommands().empty())
    return {};
  const std::vector<std::string> left = app.remaining();
  const auto word = std::find_if(left.begin(), left.end(),
                                 [](const std::string& text) { return !text.starts_with('-'); });
  return word == left.end() ? std::string() : *word;
}

Failure failure_of(const CLI::App& app, const CLI::ParseError& error) {
  const std::string word = unknown_verb(app);
  std::string message = error.what();
  if (!word.empty()) {
    std::vector<std::string_view> names;
    for (const Verb& verb : verbs())
      names.push_back(verb.name);
    const std::string nearest = ir::did_you_mean(word, names);
    message = fmt::format("'{}' is no verb; {}", word,
                          nearest.empty() ? fmt::format("there are {}", fmt::join(names, ", "))
                                          : nearest);
  }
  return {kUsage, std::string(name_of(ErrorCode::invalid_argument)),
          message + "\nrun 'swage --help' or 'swage VERB --help'", ""};
}

/// An empty value, as of a shell variable that is not set, is not the same as no option at all.
void refuse_empty_values(const CLI::App& verb) {
  for (const CLI::Option* option : verb.get_options())
    for (const std::string& value : option->results())
      if (value.empty())
        throw CLI::ValidationError(
            option->get_name(), fmt::format("found an empty value, expected {}; leave the option "
                                            "out for its default",
                                            option->get_type_name()));
}

int parse_and_run(int count, const char* const* arguments) {
  CLI::App app("Swage turns short kernel strings into tuned GPU and CPU kernels at run time.",
               "swage");
  app.set_version_flag("--version", "swage " + std::string(version()));
  app.require_subcommand(1);
  app.footer(kExamples);

  bool json = false;
  int status = kDone;
  for (const Verb& verb : verbs()) {
    CLI::App* sub = app.add_subcommand(std::string(verb.name), std::string(verb.summary));
    const Action action = verb.add(*sub);
    sub->add_flag("--json", json, "Print one JSON object");
    sub->final_callback([sub, action, &json, &status] {
      refuse_empty_values(*sub);
      status = run_action(action, json);
    });
  }
  try {
    app.parse(count, arguments);
    return status;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) { // --help, --version
      std::ostringstream text;
      app.exit(error, text, text);
      return write_out(text.str()) ? kDone : kFailed;
    }
    // A command line that could not be parsed may not have reached its --json.
    const auto end = arguments + count;
    const Failure failure = failure_of(app, error);
    report(failure, json || std::find(arguments, end, std::string_view("--json")) != end);
    return failure.status;
  }
}

} // namespace

int run_command(int count, const char* const* arguments) noexcept {
  try {
    return parse_and_run(count, arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "swage: %s\n", error.what());
    return kFailed;
  }
}

} // namespace swage::cli
