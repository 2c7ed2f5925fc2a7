// load.cpp -- load_kernel: parse, then every pass that callers outside `ir` rely on.
#include "ir/passes.hpp"
#include "ir/source.hpp"

namespace swage::ir {

Kernel load_kernel(const SourceText& source, std::string_view name,
                   const std::vector<Binding>& bindings, std::optional<MathMode> math) {
  const Kernel parsed = parse_kernel(source, name, bindings, math);
  verify(parsed);
  return contract(simplify(recognise(simplify(parsed))));
}

} // namespace swage::ir
