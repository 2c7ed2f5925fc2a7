// build_records.cpp -- tuning records as `swage build --schedules` uses them.
#include "cli/build_records.hpp"

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

#include "cli/files.hpp"
#include "codegen/specialization_text.hpp"
#include "runtime/base/digest.hpp"
#include "runtime/tune/tuning_records.hpp"
#include "swage/error.hpp"

namespace swage::cli {

namespace {

constexpr std::size_t kMaxRecordBytes = std::size_t{256} << 20;

} // namespace

BuildRecords::BuildRecords(const std::string& path) {
  const std::string text = read_file(path, kMaxRecordBytes);
  int number = 0;
  for (std::size_t at = 0; at < text.size(); ++number) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    if (line.empty())
      continue;
    try {
      const tune::TuningRecord record = tune::record_from_line(line);
      lines_.push_back({record.key.kernel, record.key.target, record.key.specialization,
                        record.schedule, record.key.size_class});
    } catch (const Error& error) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}, line {}: {}", path, number + 1, error.what()));
    }
  }
}

std::vector<BuildRecords::Tuned> BuildRecords::of(const ir::Kernel& kernel, const std::string& line,
                                                  const codegen::Target& target) {
  const std::string digest = base::to_hex(base::checksum(line));
  const std::string cuda = fmt::format("sm_{}", target.sm);
  const bool is_cuda = target.kind == codegen::Target::Kind::cuda;
  std::map<std::string, Tuned> found;
  for (Line& record : lines_) {
    if (record.kernel != digest ||
        (is_cuda ? record.target != cuda : record.target.starts_with("sm_")))
      continue;
    const auto specialization = codegen::parse_specialization(record.specialization, kernel);
    if (!specialization)
      continue;
    record.used = true;
    Tuned& tuned = found[record.specialization];
    tuned.specialization = *specialization;
    tuned.schedules[record.size_class] = record.schedule;
  }
  std::vector<Tuned> result;
  for (auto& [text, tuned] : found)
    result.push_back(std::move(tuned));
  return result;
}

std::size_t BuildRecords::used() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(lines_, [](const Line& line) { return line.used; }));
}

const std::string* nearest(const std::map<int, std::string>& schedules, int size_class) {
  const std::string* best = nullptr;
  int least = tune::TuningRecords::kMaxDistance + 1;
  for (const auto& [known, schedule] : schedules)
    if (std::abs(known - size_class) < least) {
      least = std::abs(known - size_class);
      best = &schedule;
    }
  return best;
}

} // namespace swage::cli
