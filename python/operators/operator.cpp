// operator.cpp -- what an operator is made of, and the kernels that its calls took so far.
#include "operator.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "values.hpp"

namespace swage::torch {

namespace {

std::string binding(const std::string& name, int kind, StackValue value) {
  if (kind == 0 || kind == kOptionalFloat) {
    std::array<char, 64> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), real_of(value)).ptr;
    return name + "=" + std::string(text.data(), end);
  }
  if (kind == 2)
    return name + ((value & 0xff) != 0 ? "=true" : "=false");
  return name + "=" + std::to_string(static_cast<std::int64_t>(value));
}

} // namespace

Operator::Operator(const swage_torch_operator& described)
    : source_(described.source), kernel_(described.kernel), is_out_(described.is_out != 0),
      is_cleared_(described.is_cleared != 0), counts_place_(described.counts_place),
      math_(described.math) {
  for (std::size_t i = 0; i < described.parameter_count; ++i) {
    const swage_torch_parameter& p = described.parameters[i];
    parameters_.push_back({p.name, p.role, p.space, p.group, p.group_place,
                           p.code < 0 ? p.bits : -1, p.code < 0 ? Type{} : Type{p.code, p.bits},
                           p.place, p.half});
  }
  for (std::size_t i = 0; i < described.constant_count; ++i)
    constants_.push_back(
        {described.constants[i].name, described.constants[i].kind, described.constants[i].place});
  generics_.assign(described.generics, described.generics + described.generic_count);
  const auto argument = [&](int place, bool is_tensor) {
    takes_tensor_.resize(std::max(takes_tensor_.size(), static_cast<std::size_t>(place) + 1));
    takes_tensor_[static_cast<std::size_t>(place)] = is_tensor;
  };
  for (const Parameter& parameter : parameters_)
    if (parameter.role != SWAGE_OUT || is_out_)
      argument(parameter.place, parameter.is_tensor());
  if (counts_place_ >= 0)
    argument(counts_place_, true);
  for (const Constant& constant : constants_)
    argument(constant.place, false);
}

swage_kernel* Operator::find(const Key& key) const {
  for (const Made* made = made_.load(std::memory_order_acquire); made; made = made->next)
    if (made->key == key)
      return made->kernel;
  return nullptr;
}

swage_kernel* Operator::kernel(const Key& key) {
  if (swage_kernel* found = find(key))
    return found;
  const std::lock_guard lock(mutex_);
  if (swage_kernel* found = find(key))
    return found;
  auto* made = new Made{key, make(key), made_.load(std::memory_order_relaxed)};
  made_.store(made, std::memory_order_release); // lives as long as the operator: for ever
  return made->kernel;
}

swage_kernel* Operator::make(const Key& key) const {
  swage_device* device = nullptr;
  const std::string id = key.device_type == shim().device_type_cpu()
                             ? "cpu"
                             : "cuda:" + std::to_string(key.device_index);
  check(swage_device_open(id.c_str(), &device));
  std::vector<std::string> texts;
  for (std::size_t g = 0; g < generics_.size(); ++g)
    texts.push_back(generics_[g] + "=" + name_of(key.generics[g]));
  std::size_t next = 0;
  for (const Constant& constant : constants_)
    if (constant.kind != kType)
      if (const auto& value = key.constants[next++])
        texts.push_back(binding(constant.name, constant.kind, *value));
  std::vector<const char*> bindings;
  for (const std::string& text : texts)
    bindings.push_back(text.c_str());
  swage_options options = swage_default_options();
  options.math = math_;
  swage_kernel* kernel = nullptr;
  const swage_status status =
      swage_kernel_create(device, source_.c_str(), kernel_.c_str(), bindings.data(),
                          bindings.size(), &options, &kernel);
  swage_device_close(device);
  check(status);
  return kernel;
}

} // namespace swage::torch
