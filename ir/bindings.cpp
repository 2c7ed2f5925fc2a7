// bindings.cpp -- matching bindings with what a kernel declares.
#include "ir/bindings.hpp"

#include <string_view>

#include <fmt/format.h>

#include "ir/nearest.hpp"

namespace swage::ir {

namespace {

class Matcher {
public:
  Matcher(const KernelDecl& kernel, Diagnostics& diagnostics)
      : kernel_(kernel), diagnostics_(diagnostics) {
    bound_.generics.resize(kernel.generics.size());
    bound_.params.resize(kernel.params.size());
    generic_seen_.resize(kernel.generics.size());
    param_seen_.resize(kernel.params.size());
  }

  BoundNames match(const std::vector<Binding>& bindings) {
    for (const Binding& binding : bindings)
      one(binding);
    if (!kernel_.names_lost)
      report_missing();
    return std::move(bound_);
  }

private:
  void one(const Binding& binding);
  void generic(std::size_t index, const Binding& binding);
  void constant(std::size_t index, const Binding& binding);
  void unknown(const Binding& binding);
  bool is_first(std::vector<bool>& seen, std::size_t index, Name name);
  void report_missing();

  const KernelDecl& kernel_;
  Diagnostics& diagnostics_;
  BoundNames bound_;
  std::vector<bool> generic_seen_;
  std::vector<bool> param_seen_;
};

void Matcher::one(const Binding& binding) {
  for (std::size_t i = 0; i < kernel_.generics.size(); ++i)
    if (kernel_.generics[i].text == binding.name)
      return generic(i, binding);
  for (std::size_t i = 0; i < kernel_.params.size(); ++i)
    if (kernel_.params[i].name.text == binding.name && kernel_.params[i].is_const)
      return constant(i, binding);
  unknown(binding);
}

bool Matcher::is_first(std::vector<bool>& seen, std::size_t index, Name name) {
  if (seen[index])
    diagnostics_.error(name.span, fmt::format("'{}' is bound twice", name.text));
  const bool first = !seen[index];
  seen[index] = true;
  return first;
}

void Matcher::generic(std::size_t index, const Binding& binding) {
  const Name name = kernel_.generics[index];
  if (!is_first(generic_seen_, index, name))
    return;
  if (const DType* type = std::get_if<DType>(&binding.value))
    bound_.generics[index] = *type;
  else
    diagnostics_.error(name.span, fmt::format("generic type '{}' is bound to a number", name.text))
        .help(fmt::format("bind it to a type, as in {}=bf16", name.text));
}

void Matcher::constant(std::size_t index, const Binding& binding) {
  const Name name = kernel_.params[index].name;
  if (!is_first(param_seen_, index, name))
    return;
  if (const double* real = std::get_if<double>(&binding.value))
    bound_.params[index] = Literal::of_real(*real);
  else if (const std::int64_t* integer = std::get_if<std::int64_t>(&binding.value))
    bound_.params[index] = Literal::of_integer(*integer);
  else
    diagnostics_.error(name.span, fmt::format("const '{}' is bound to a type", name.text))
        .help(fmt::format("bind it to a number, as in {}=7", name.text));
}

void Matcher::unknown(const Binding& binding) {
  if (kernel_.names_lost)
    return;
  for (const ParamDecl& param : kernel_.params)
    if (param.name.text == binding.name) {
      const bool scalar = param.kind == ParamKind::scalar;
      diagnostics_
          .error(param.name.span, fmt::format("'{}' is bound, but is a {} given at each launch",
                                              binding.name, scalar ? "scalar" : "tensor"))
          .help(scalar ? fmt::format("to fix it when the kernel is compiled declare const {}",
                                     binding.name)
                       : "");
      return;
    }
  std::vector<std::string_view> known;
  for (const Name& generic : kernel_.generics)
    known.push_back(generic.text);
  for (const ParamDecl& param : kernel_.params)
    if (param.is_const)
      known.push_back(param.name.text);
  std::string help = did_you_mean(binding.name, known);
  if (help.empty() && !known.empty())
    help = fmt::format("it has {}", fmt::join(known, ", "));
  diagnostics_
      .error(kernel_.name.span, fmt::format("kernel '{}' has no generic type or const named '{}'",
                                            kernel_.name.text, binding.name))
      .help(std::move(help));
}

void Matcher::report_missing() {
  for (std::size_t i = 0; i < kernel_.generics.size(); ++i)
    if (!generic_seen_[i]) {
      const Name name = kernel_.generics[i];
      diagnostics_.error(name.span, fmt::format("generic type '{}' has no binding", name.text))
          .help(fmt::format("bind it to a type, as in {}=bf16", name.text));
    }
  for (std::size_t i = 0; i < kernel_.params.size(); ++i) {
    const ParamDecl& param = kernel_.params[i];
    if (param.is_const && !param.default_value && !param_seen_[i])
      diagnostics_
          .error(param.name.span,
                 fmt::format("const '{}' has no default and no binding", param.name.text))
          .help(fmt::format("bind it to a number, as in {}=7", param.name.text));
  }
}

} // namespace

BoundNames match_bindings(const KernelDecl& kernel, const std::vector<Binding>& bindings,
                          Diagnostics& diagnostics) {
  return Matcher(kernel, diagnostics).match(bindings);
}

} // namespace swage::ir
