// ptx.cpp -- the PTX parser: modules.
#include "emulator/ptx.hpp"

#include "emulator/parser.hpp"

#include <algorithm>

namespace swage::emulator {
namespace {

class Parser {
public:
  explicit Parser(std::string_view text) : in_(text) {}

  Module run() {
    if (!in_.peek().is(".version"))
      in_.fail("missing .version directive at the start of the file");
    while (in_.peek().kind != TokenKind::end)
      top_level();
    if (module_.target.empty())
      in_.fail("missing .target directive");
    return std::move(module_);
  }

private:
  void top_level() {
    if (in_.accept(".version"))
      return version();
    if (in_.accept(".target"))
      return target();
    if (in_.accept(".address_size")) {
      if (in_.size_literal() != 64)
        in_.fail("only .address_size 64 is supported");
      return;
    }
    if (in_.accept(".section"))
      return in_.next(), in_.skip_braces();
    if (in_.peek().is(".file") || in_.peek().is(".loc"))
      return in_.skip_line();
    if (in_.peek().is(".pragma") || in_.peek().is(".alias"))
      return in_.skip_statement();
    bool external = false;
    while (in_.peek().is(".visible") || in_.peek().is(".extern") || in_.peek().is(".weak") ||
           in_.peek().is(".common"))
      external |= in_.next().is(".extern");
    if (in_.accept(".entry"))
      return module_.kernels.push_back(read_kernel(in_));
    if (in_.accept(".func"))
      return device_function();
    const std::optional<Space> space = find_space(in_.peek().text);
    if (!space)
      in_.fail("syntax error: unexpected '" + in_.near() + "' outside a kernel");
    module_.variables.push_back(read_variable(in_, external));
  }

  void version() {
    const std::string text = in_.word("a version");
    const std::size_t dot = text.find('.');
    if (dot == std::string::npos)
      in_.fail("syntax error: '" + text + "' is not a PTX version");
    module_.version =
        static_cast<unsigned>(in_.digits(std::string_view(text).substr(0, dot), 10) * 10 +
                              in_.digits(std::string_view(text).substr(dot + 1), 10));
  }

  void target() {
    module_.target = in_.word("a target");
    std::string_view number = module_.target;
    if (number.substr(0, 3) != "sm_")
      in_.fail("unknown target '" + module_.target + "'");
    number.remove_prefix(3);
    while (!number.empty() && !is_number(number.substr(number.size() - 1)))
      number.remove_suffix(1);
    module_.architecture = static_cast<unsigned>(in_.digits(number, 10));
    while (in_.accept(","))
      in_.word("a target option");
  }

  // Calls are not emulated, so a device function matters only when something calls it.
  void device_function() {
    while (!in_.peek().is("{") && !in_.peek().is(";")) {
      if (in_.peek().kind == TokenKind::end)
        in_.fail("syntax error: a .func has no body");
      in_.next();
    }
    if (!in_.accept(";"))
      in_.skip_braces();
  }

  Reader in_;
  Module module_;
};

} // namespace

const Kernel* Module::find(std::string_view name) const {
  const auto found = std::find_if(kernels.begin(), kernels.end(),
                                  [&](const Kernel& kernel) { return kernel.name == name; });
  return found == kernels.end() ? nullptr : &*found;
}

Module parse(std::string_view text) {
  return Parser(text).run();
}

} // namespace swage::emulator
