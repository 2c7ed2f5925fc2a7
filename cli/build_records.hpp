// build_records.hpp -- tuning records as `swage build --schedules` uses them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "codegen/schedule.hpp"
#include "codegen/specialization.hpp"
#include "codegen/target.hpp"
#include "ir/kernel.hpp"

namespace swage::cli {

/// The records of one file.
class BuildRecords {
public:
  /// Throws Error(io), Error(invalid_argument) that names the line.
  explicit BuildRecords(const std::string& path);
  BuildRecords() = default;

  /// Tuned schedules of one kind of call by size class; of several records for one, the last.
  struct Tuned {
    codegen::Specialization specialization;
    std::map<int, std::string> schedules;
  };
  /// Those for a kernel on a target: of a CUDA architecture those of its GPUs, of a host level
  /// those of all CPUs. Records are taken for used.
  std::vector<Tuned> of(const ir::Kernel& kernel, const std::string& line,
                        const codegen::Target& target);

  std::size_t size() const { return lines_.size(); }
  std::size_t used() const;

private:
  struct Line {
    std::string kernel, target, specialization, schedule;
    int size_class = 0;
    bool used = false;
  };
  std::vector<Line> lines_;
};

/// The schedule tuned for the size class, or the nearest as launches take it; null: none.
const std::string* nearest(const std::map<int, std::string>& schedules, int size_class);

} // namespace swage::cli
