// output_files.cpp -- the files that the outputs of a run are written to.
#include "cli/output_files.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "cli/safetensors.hpp"
#include "cli/tensor_place.hpp"
#include "swage/error.hpp"

namespace swage::cli {

namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorCode::invalid_argument, message);
}

std::size_t output_of(const ir::Kernel& kernel, const std::string& name) {
  for (std::size_t p = 0; p < kernel.params().size(); ++p)
    if (kernel.params()[p].is_written() && kernel.params()[p].name == name)
      return p;
  refuse(fmt::format("kernel '{}' writes no tensor '{}', found in --output", kernel.name(), name));
}

} // namespace

OutputFiles::OutputFiles(const std::vector<std::string>& values, const ir::Kernel& kernel) {
  std::vector<bool> named(kernel.params().size(), false);
  std::vector<TensorPlace> places;
  for (const std::string& value : values) {
    places.push_back(parse_output_place(value));
    if (!places.back().param.empty())
      named[output_of(kernel, places.back().param)] = true;
  }
  for (const TensorPlace& place : places) {
    if (!place.param.empty()) {
      add(place.file,
          {output_of(kernel, place.param), place.tensor.empty() ? place.param : place.tensor});
      continue;
    }
    for (std::size_t p = 0; p < kernel.params().size(); ++p)
      if (kernel.params()[p].is_written() && !named[p])
        add(place.file, {p, kernel.params()[p].name});
  }
}

void OutputFiles::add(const std::string& path, Tensor tensor) {
  auto file =
      std::find_if(files_.begin(), files_.end(), [&](const File& one) { return one.path == path; });
  if (file == files_.end())
    file = files_.insert(files_.end(), {path, {}});
  if (std::any_of(file->tensors.begin(), file->tensors.end(),
                  [&](const Tensor& other) { return other.name == tensor.name; }))
    refuse(fmt::format("--output asks for tensor '{}' of {} twice", tensor.name, path));
  file->tensors.push_back(std::move(tensor));
}

void OutputFiles::write(const verify::Operands& operands) const {
  for (const File& file : files_) {
    std::vector<SafetensorsTensor> tensors;
    std::vector<std::vector<std::byte>> stored; // of what has another form where it is compared
    for (const Tensor& tensor : file.tensors) {
      const verify::Operand& operand = operands.all()[tensor.param];
      std::span<const std::byte> bytes;
      if (is_packed(operand.param.dtype))
        bytes = stored.emplace_back(operands.stored_result(tensor.param));
      else
        bytes = operands.result(tensor.param);
      tensors.push_back({tensor.name, operand.param.dtype, operand.shape, bytes});
    }
    write_safetensors(file.path, std::move(tensors));
  }
}

std::vector<std::string> OutputFiles::paths() const {
  std::vector<std::string> paths;
  for (const File& file : files_)
    paths.push_back(file.path);
  return paths;
}

} // namespace swage::cli
