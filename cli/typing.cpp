// typing.cpp -- the types that a kernel's unbound generics may take.
#include "cli/typing.hpp"

#include <algorithm>

namespace swage::cli {

namespace {

/// Choices tried at most: past that the user has to say.
constexpr std::size_t kMaxChoices = 10'000;

std::size_t choice_count(std::size_t types, std::size_t generics) {
  std::size_t count = 1;
  for (std::size_t i = 0; i < generics && count <= kMaxChoices; ++i)
    count *= types;
  return std::min(count, kMaxChoices);
}

bool checks(const KernelText& text, const std::function<bool(const ir::Kernel&)>& accepts) {
  try {
    return accepts(bind_kernel(text));
  } catch (const Error& error) {
    if (error.code() == ErrorCode::invalid_kernel)
      return false;
    throw;
  }
}

} // namespace

std::vector<std::string> unbound_generics(const KernelText& text) {
  std::vector<std::string> names = text.declaration().generics;
  std::erase_if(names, [&](const std::string& name) {
    return std::any_of(text.bindings.begin(), text.bindings.end(),
                       [&](const Binding& b) { return b.name == name; });
  });
  return names;
}

KernelText bound_to(KernelText text, DType type) {
  for (const std::string& name : unbound_generics(text))
    text.bindings.push_back({name, type});
  return text;
}

bool infer_generics(KernelText& text, const std::vector<DType>& types,
                    const std::function<bool(const ir::Kernel&)>& accepts) {
  const std::vector<std::string> generics = unbound_generics(text);
  const std::size_t choices = choice_count(types.size(), generics.size());
  for (std::size_t choice = 0; choice < choices; ++choice) {
    KernelText candidate = text;
    std::size_t rest = choice;
    for (const std::string& name : generics) {
      candidate.bindings.push_back({name, types[rest % types.size()]});
      rest /= types.size();
    }
    if (checks(candidate, accepts)) {
      text = std::move(candidate);
      return true;
    }
  }
  return false;
}

} // namespace swage::cli
