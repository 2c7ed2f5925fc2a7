// parse.cpp -- whatever the bytes, a text is refused as an invalid kernel or gives kernels whose
// printed form gives the same kernel again.
#include <cstdlib>
#include <string>
#include <string_view>

#include "ir/passes.hpp"
#include "ir/source.hpp"
#include "swage/error.hpp"

namespace {

using namespace swage;

/// Refusal as an invalid kernel is an answer; anything else is a defect.
template <class F>
bool accepted(F&& f) {
  try {
    f();
    return true;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::invalid_kernel)
      std::abort();
    return false;
  }
}

void bind(std::string_view text, const ir::KernelDeclaration& declared, DType type) {
  std::vector<Binding> bindings;
  for (const std::string& generic : declared.generics)
    bindings.push_back({generic, type});
  for (const auto& constant : declared.constants)
    if (!constant.has_default)
      bindings.push_back({constant.name, std::int64_t{2}});
  std::string line;
  bool can_be_said = true;
  const auto load = [&] {
    const ir::Kernel kernel = ir::load_kernel({text}, declared.name, bindings);
    line = ir::canonical(kernel);
    // Simplification may find a value of one a group to be one a row, which no text may store
    // there.
    for (const ir::Store& store : kernel.stores())
      can_be_said &= ir::may_store(kernel.params()[store.param], kernel.node(store.node).space);
  };
  if (!accepted(load) || !can_be_said)
    return;
  // What was accepted once is accepted as it prints itself, and then stays as it is.
  std::string again;
  if (!accepted([&] { again = ir::canonical(ir::load_kernel({line}, "", {})); }) || again != line)
    std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<ir::KernelDeclaration> declared;
  if (!accepted([&] { declared = ir::list_kernels({text}); }))
    return 0;
  constexpr std::size_t kBound = 4;
  for (std::size_t i = 0; i < std::min(declared.size(), kBound); ++i)
    for (const DType type : {DType::f32, DType::bf16})
      bind(text, declared[i], type);
  return 0;
}
