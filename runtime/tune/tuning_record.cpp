// tuning_record.cpp -- one tuning record as a line of JSON.
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/tune/tuning_records.hpp"
#include "swage/error.hpp"

namespace swage::tune {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxLine = 16384;

template <typename T>
void read(const Json& object, const char* name, T& value) {
  const auto found = object.find(name);
  if (found == object.end())
    throw Error(ErrorCode::invalid_argument, fmt::format("it has no \"{}\"", name));
  const bool fits = std::is_same_v<T, std::string> ? found->is_string()
                    : std::is_integral_v<T>        ? found->is_number_integer()
                                                   : found->is_number();
  if (!fits)
    throw Error(ErrorCode::invalid_argument, fmt::format("its \"{}\" has the wrong type", name));
  value = found->get<T>();
}

void check(const TuningRecord& record) {
  const auto refuse = [](const char* what) { throw Error(ErrorCode::invalid_argument, what); };
  if (record.key.kernel.size() != 32)
    refuse("its \"kernel\" is no digest of 32 digits");
  if (record.key.size_class < 0 || record.key.size_class > 62)
    refuse("its \"size_class\" is not from 0 to 62");
  if (!(record.seconds > 0 && std::isfinite(record.seconds)))
    refuse("its \"seconds\" is no time");
}

} // namespace

std::string to_line(const TuningRecord& record) {
  const Json object = {{"kernel", record.key.kernel},
                       {"name", record.name},
                       {"device", record.key.device},
                       {"target", record.key.target},
                       {"units", record.key.units},
                       {"driver", record.key.driver},
                       {"specialization", record.key.specialization},
                       {"size_class", record.key.size_class},
                       {"rows", record.rows},
                       {"columns", record.columns},
                       {"schedule", record.schedule},
                       {"seconds", record.seconds},
                       {"spread", record.spread},
                       {"default_schedule", record.default_schedule},
                       {"default_seconds", record.default_seconds},
                       {"bytes", record.bytes},
                       {"roofline", record.roofline},
                       {"candidates", record.candidates},
                       {"created", record.created},
                       {"swage", record.version}};
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

TuningRecord record_from_line(std::string_view line) {
  if (line.size() > kMaxLine)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("it is longer than {} characters", kMaxLine));
  const Json object = Json::parse(line, nullptr, false);
  if (!object.is_object())
    throw Error(ErrorCode::invalid_argument, "it is no JSON object");
  TuningRecord record;
  read(object, "kernel", record.key.kernel);
  read(object, "name", record.name);
  read(object, "device", record.key.device);
  read(object, "target", record.key.target);
  read(object, "units", record.key.units);
  read(object, "driver", record.key.driver);
  read(object, "specialization", record.key.specialization);
  read(object, "size_class", record.key.size_class);
  read(object, "rows", record.rows);
  read(object, "columns", record.columns);
  read(object, "schedule", record.schedule);
  read(object, "seconds", record.seconds);
  read(object, "spread", record.spread);
  read(object, "default_schedule", record.default_schedule);
  read(object, "default_seconds", record.default_seconds);
  read(object, "bytes", record.bytes);
  read(object, "roofline", record.roofline);
  read(object, "candidates", record.candidates);
  read(object, "created", record.created);
  read(object, "swage", record.version);
  check(record);
  return record;
}

} // namespace swage::tune
