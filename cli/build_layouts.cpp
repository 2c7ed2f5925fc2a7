// build_layouts.cpp -- which kinds of call `swage build` makes code for.
#include "cli/build_layouts.hpp"

#include <algorithm>
#include <bit>
#include <optional>

#include "cli/layout.hpp"
#include "codegen/tile_plan.hpp"

namespace swage::cli {

namespace {

using codegen::Layout;
using codegen::Specialization;
using codegen::Target;
using codegen::TensorSpec;

/// Calls f(parameter, its index, its spec) for each tensor.
template <typename F>
void for_each_tensor(Specialization& specialization, const ir::Kernel& kernel, const F& f) {
  std::size_t tensor = 0;
  for (std::size_t p = 0; p < kernel.params().size(); ++p)
    if (kernel.params()[p].is_tensor())
      f(kernel.params()[p], p, specialization.tensors[tensor++]);
}

std::uint8_t element_align(const ir::Param& param) {
  return static_cast<std::uint8_t>(
      std::countr_zero(static_cast<unsigned>(std::max(size_of(param.dtype), 1))));
}

/// Only what is accessed by vectors is known to be aligned, and only on CUDA.
Specialization with_alignment(Specialization made, const ir::Kernel& kernel, bool aligned) {
  for_each_tensor(made, kernel, [&](const ir::Param& param, std::size_t, TensorSpec& spec) {
    const bool by_vectors = spec.layout == Layout::unit || spec.layout == Layout::per_column ||
                            spec.layout == Layout::interleaved_even ||
                            spec.layout == Layout::per_column_group ||
                            spec.layout == Layout::column_major;
    spec.align_log2 = aligned && by_vectors ? std::uint8_t{4} : element_align(param);
  });
  return made;
}

Specialization aliased(Specialization made, const ir::Kernel& kernel) {
  for_each_tensor(made, kernel, [](const ir::Param& param, std::size_t, TensorSpec& spec) {
    spec.aliased = param.kind == ir::ParamKind::in && !param.is_table();
  });
  return made;
}

Specialization rows(Specialization made) {
  made.flat = false;
  return made;
}

Specialization wide(Specialization made) {
  made.index64 = true;
  return made;
}

Specialization exact(Specialization made) {
  made.exact = true;
  return made;
}

Specialization strided(Specialization made, const ir::Kernel& kernel) {
  made.flat = false;
  for_each_tensor(made, kernel, [](const ir::Param& param, std::size_t, TensorSpec& spec) {
    if (is_packed(param.dtype)) // two elements that share a byte are neighbours
      return;
    if (spec.layout == Layout::unit || spec.layout == Layout::column_major)
      spec.layout = Layout::strided;
    else if (spec.layout == Layout::per_column)
      spec.layout = Layout::per_column_strided;
    else if (spec.layout == Layout::per_column_group)
      spec.layout = Layout::per_column_group_strided;
  });
  return made;
}

bool may_be_transposed(const ir::Kernel& kernel, const ir::Param& param) {
  const bool packs = is_packed(param.dtype) && codegen::rows_of_groups(kernel) % 2 == 0;
  return param.is_tensor() && param.broadcast == ir::Broadcast::none &&
         (is_packed(param.dtype) ? packs : param.is_written());
}

/// Of kernels with groups of rows, for each output of elements, and each input of which two share a
/// byte (of others any strides do): that one lies column by column; where several outputs have
/// names that end in "columns", all of these, as their callers have them; and all that have such
/// bytes, if some are read.
std::vector<Specialization> transposed(const Specialization& base, const ir::Kernel& kernel) {
  std::vector<Specialization> list;
  for (std::size_t p = 0; p < kernel.params().size() && codegen::rows_of_groups(kernel) > 0; ++p)
    if (may_be_transposed(kernel, kernel.params()[p])) {
      Specialization& made = list.emplace_back(base);
      for_each_tensor(made, kernel, [&](const ir::Param&, std::size_t at, TensorSpec& spec) {
        if (at == p)
          spec.layout = Layout::column_major;
      });
    }
  const auto add_all = [&](const auto& is_one) {
    Specialization all = base;
    int count = 0;
    for_each_tensor(all, kernel, [&](const ir::Param& param, std::size_t, TensorSpec& spec) {
      if (may_be_transposed(kernel, param) && is_one(param)) {
        spec.layout = Layout::column_major;
        ++count;
      }
    });
    if (count > 1)
      list.push_back(std::move(all));
  };
  if (list.empty())
    return list;
  add_all(
      [](const ir::Param& param) { return param.is_written() && param.name.ends_with("columns"); });
  if (std::ranges::any_of(kernel.params(), [](const ir::Param& param) {
        return param.is_tensor() && param.is_read() && is_packed(param.dtype);
      }))
    add_all([](const ir::Param& param) { return is_packed(param.dtype); });
  return list;
}

/// The first two inputs of elements that could alternate, if there are two.
std::optional<Specialization> interleaved(Specialization made, const ir::Kernel& kernel) {
  TensorSpec* even = nullptr;
  std::size_t even_param = 0;
  bool found = false;
  for_each_tensor(made, kernel, [&](const ir::Param& param, std::size_t p, TensorSpec& spec) {
    if (found || param.kind != ir::ParamKind::in || spec.layout != Layout::unit)
      return;
    if (!even) {
      even = &spec;
      even_param = p;
    } else if (kernel.params()[even_param].dtype == param.dtype) {
      even->layout = Layout::interleaved_even;
      even->partner = static_cast<std::uint8_t>(p);
      spec.layout = Layout::interleaved_odd;
      spec.partner = static_cast<std::uint8_t>(even_param);
      found = true;
    }
  });
  return found ? std::optional(made) : std::nullopt;
}

void add(std::vector<Specialization>& list, Specialization made) {
  if (std::ranges::find(list, made) == list.end())
    list.push_back(std::move(made));
}

} // namespace

std::vector<Specialization> usual_layouts(const ir::Kernel& kernel, const Target& target) {
  const Specialization base = codegen::contiguous(kernel);
  const bool is_cuda = target.kind == Target::Kind::cuda;
  const auto aligned = [&](Specialization made) { return with_alignment(made, kernel, is_cuda); };
  const auto any = [&](Specialization made) {
    return aliased(with_alignment(made, kernel, false), kernel);
  };
  std::vector<Specialization> list;
  // Where the base is one flat run; else the first and the second half are the same.
  for (const Specialization& made : {base, rows(base)}) {
    add(list, aligned(made));
    if (is_cuda) {
      add(list, exact(aligned(made)));
      add(list, aliased(aligned(made), kernel));
      add(list, aliased(wide(aligned(made)), kernel));
    }
    add(list, any(made));
    add(list, any(wide(made)));
    if (const auto pair = interleaved(made, kernel))
      add(list, aligned(*pair));
  }
  for (const Specialization& made : transposed(base, kernel))
    add(list, aligned(made));
  for (const Specialization& made : transposed(base, kernel))
    if (ir::has_packed_tensors(kernel)) // which no code for strides serves
      add(list, any(wide(strided(made, kernel))));
  add(list, any(wide(strided(base, kernel))));
  return list;
}

std::vector<Specialization> listed_layouts(std::string_view text, const ir::Kernel& kernel,
                                           const Target& target) {
  std::vector<Specialization> list;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(';'), text.size());
    const std::string_view words = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (words.find("usual") != words.npos) {
      for (Specialization& made : usual_layouts(kernel, target))
        add(list, std::move(made));
      continue;
    }
    Specialization made = parse_layout(words, kernel);
    // On the host nothing is known to be aligned, and there is no code without a tail.
    if (target.kind == Target::Kind::host) {
      made = with_alignment(made, kernel, false);
      made.exact = false;
      made.columns_at_most = 0;
      made.columns_known = false;
    } else if (words.find("align=") == words.npos) {
      made = with_alignment(made, kernel, true);
    }
    add(list, std::move(made));
  }
  return list;
}

} // namespace swage::cli
