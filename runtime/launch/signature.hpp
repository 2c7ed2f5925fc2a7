// signature.hpp -- the parameters of a kernel as a launch needs them: flat, with nothing to chase.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ir/kernel.hpp"
#include "swage/swage.hpp"

namespace swage::launch {

struct ParamInfo {
  ir::ParamKind kind;
  DType dtype;
  ir::Broadcast broadcast;
  std::uint8_t tensor = 0; ///< index among the tensors
  bool is_tensor, is_read, is_written;
  std::uint32_t group = 0; ///< columns a group of a [group n], rows a group of a [col group n]

  ir::Space space() const noexcept { return {broadcast, group}; }
};

struct Signature {
  std::vector<ParamInfo> params;
  std::vector<std::uint8_t> tensors; ///< parameter index of each tensor
  std::vector<std::string> names;    ///< of the parameters, for messages
  std::string kernel_name;
  bool broadcasts = false;      ///< rows and columns mean something: some tensor is [row], say
  bool by_rows = false;         ///< the kernel reaches along its rows, or writes once a row
  bool writes_rows = false;     ///< some output is [row]
  bool writes_columns = false;  ///< some output is [col] or [tensor]
  bool extremes = false;        ///< some maximum or minimum is along the row
  std::uint32_t group = 0;      ///< columns that must be whole groups; 0: none
  std::uint32_t group_rows = 0; ///< rows that must be whole groups; 0: none
  bool updates = false;         ///< some tensor is inout
  bool packed = false;          ///< two elements of some tensor share a byte
  std::uint8_t shape_of = 0;    ///< tensor index of the first that has the full shape
  std::uint8_t written = 0;     ///< tensor index of the first that is written

  explicit Signature(const ir::Kernel& kernel);
};

} // namespace swage::launch
