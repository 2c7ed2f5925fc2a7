// row_calls.hpp -- kernels of the catalogue, bound, and calls and schedules of rows to compile them
// for.
#pragma once

#include <string>
#include <vector>

#include "codegen/row_geometry.hpp"
#include "codegen/schedule.hpp"
#include "ir/source.hpp"
#include "kernels/catalogue.hpp"
#include "swage/error.hpp"

namespace swage::codegen::test {

/// A kernel of the catalogue, as the library loads it. Throws Error(invalid_argument) where there
/// is none of that name.
inline ir::Kernel bound(const std::string& name, const std::vector<Binding>& bindings) {
  const kernels::CatalogueFile* file = kernels::find(name);
  if (file == nullptr)
    throw Error(ErrorCode::invalid_argument, "no catalogue kernel '" + name + "'");
  return ir::load_kernel({file->text, file->name}, name, bindings);
}

inline ir::Kernel catalogue(const std::string& name, DType type) {
  return bound(name, {{"T", type}});
}

/// Contiguous rows of so many columns.
inline Specialization of_columns(const ir::Kernel& kernel, std::int64_t columns) {
  Specialization specialization = contiguous(kernel);
  specialization.exact = columns % 64 == 0;
  set_columns(specialization, columns);
  return specialization;
}

/// `text` over what a schedule is without any.
inline CudaSchedule schedule_of(const std::string& text) {
  return std::get<CudaSchedule>(parse_schedule(text, CudaSchedule{}));
}

} // namespace swage::codegen::test
