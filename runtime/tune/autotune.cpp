// autotune.cpp -- SWAGE_AUTOTUNE: tuning at the first launch of a size class.
#include <mutex>

#include "runtime/base/log.hpp"
#include "runtime/base/settings.hpp"
#include "runtime/device/context_scope.hpp"
#include "runtime/tune/tuner.hpp"
#include "runtime/tune/tuning_records.hpp"
#include "swage/error.hpp"

namespace swage::tune {

namespace {

/// Asked only where something is prepared, so the environment may change while a process runs.
bool is_on() {
  const std::string text = base::value(base::Setting::autotune).value_or("0");
  static std::once_flag told;
  if (text != "0" && text != "1" && !text.empty())
    std::call_once(told, [&] {
      base::log(base::LogLevel::warn,
                "SWAGE_AUTOTUNE={} is neither 0 nor 1; nothing is tuned by itself", text);
    });
  return text == "1";
}

bool is_capturing(const KernelState& kernel, cuda::StreamHandle stream) {
  if (!kernel.device->is_cuda())
    return false;
  // Without a current context the driver refuses to say.
  const device::ContextScope scope(device::context_for(*kernel.device, stream));
  cuda::CaptureStatus status = cuda::CaptureStatus::none;
  // A failure says that some stream of the context captures and must not be disturbed.
  return cuda::driver().cuStreamIsCapturing.raw(stream, &status) != cuda::Result::success ||
         status != cuda::CaptureStatus::none;
}

} // namespace

void autotune(const KernelState& kernel, const launch::Call& call, std::span<const Arg> arguments,
              cuda::StreamHandle stream) {
  if (!is_on() || is_tuning() || !kernel.schedule_text.empty())
    return;
  if (is_capturing(kernel, stream)) {
    base::log(base::LogLevel::info, "{} is not tuned: its first launch is being captured",
              kernel.name);
    return;
  }
  // Tuned as if all rows counted, so that is what the records are asked for.
  launch::Call of_all;
  if (call.valid_rows)
    kernel.classify(arguments, of_all);
  const auto known = tuning_records().find(tuning_key(kernel, call.valid_rows ? of_all : call));
  if (known && known->exact)
    return;
  try {
    Tuner(kernel).tune(arguments);
  } catch (const Error& error) {
    base::log(base::LogLevel::warn, "{} could not be tuned: {}", kernel.name, error.what());
  }
}

} // namespace swage::tune
