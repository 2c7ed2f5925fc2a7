// schedule.cpp -- schedules: their text, their legal range and the default.
#include "codegen/schedule.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "codegen/host_loop.hpp"
#include "codegen/schedule_parts.hpp"
#include "codegen/schedule_rows.hpp"
#include "codegen/schedule_tiles.hpp"

namespace swage::codegen {

namespace {

constexpr std::string_view kLoadNames[] = {"auto", "readonly", "noalloc", "streaming",
                                           "evict_last"};
constexpr std::string_view kStoreNames[] = {"auto", "streaming"};
constexpr std::string_view kDependentNames[] = {"0", "1", "2", "3"};

template <typename Enum>
std::string_view spelling(std::span<const std::string_view> names, Enum e) {
  return names[static_cast<std::size_t>(e)];
}

// --- text ---

int parse_int(std::string_view key, std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    refuse_schedule(fmt::format("schedule key '{}' needs a whole number, found '{}'", key, text));
  return value;
}

template <typename Enum>
Enum parse_name(std::string_view key, std::string_view text,
                std::span<const std::string_view> names) {
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == text)
      return static_cast<Enum>(i);
  refuse_schedule(
      fmt::format("schedule key '{}' takes {}; found '{}'", key, fmt::join(names, ", "), text));
}

bool parse_flag(std::string_view key, std::string_view text) {
  if (text != "0" && text != "1")
    refuse_schedule(fmt::format("schedule key '{}' takes 0 or 1; found '{}'", key, text));
  return text == "1";
}

void set(CudaSchedule& schedule, std::string_view key, std::string_view value) {
  if (key == "threads")
    schedule.threads = parse_int(key, value);
  else if (key == "bytes")
    schedule.access_bytes = parse_int(key, value);
  else if (key == "accesses")
    schedule.accesses = parse_int(key, value);
  else if (key == "row")
    schedule.row_threads = parse_int(key, value);
  else if (key == "ahead")
    schedule.ahead = parse_flag(key, value);
  else if (key == "grid")
    schedule.waves = value == "once" ? 0 : parse_int(key, value);
  else if (key == "load")
    schedule.load = parse_name<LoadPolicy>(key, value, kLoadNames);
  else if (key == "store")
    schedule.store = parse_name<StorePolicy>(key, value, kStoreNames);
  else if (key == "dependent")
    schedule.dependent_launch = parse_name<DependentLaunch>(key, value, kDependentNames);
  else if (key == "fetch")
    schedule.fetch = parse_flag(key, value);
  else if (key == "resident")
    schedule.resident = parse_int(key, value);
  else
    refuse_schedule(fmt::format(
        "unknown schedule key '{}'; a CUDA schedule has threads, bytes, accesses, "
        "grid, load, store, dependent, fetch, resident, and for kernels that reach along their "
        "rows row and ahead",
        key));
}

void set(HostSchedule& schedule, std::string_view key, std::string_view value) {
  if (key == "lanes")
    schedule.lanes = parse_int(key, value);
  else if (key == "unroll")
    schedule.unroll = parse_int(key, value);
  else if (key == "store")
    schedule.streaming = parse_name<StorePolicy>(key, value, kStoreNames) == StorePolicy::streaming;
  else if (key == "grain")
    schedule.grain = parse_int(key, value);
  else if (key == "threads")
    schedule.threads = parse_int(key, value);
  else
    refuse_schedule(
        fmt::format("unknown schedule key '{}'; a host schedule has lanes, unroll, store, grain, "
                    "threads",
                    key));
}

// --- legal range ---

bool is_one_of(int value, std::initializer_list<int> values) {
  return std::ranges::find(values, value) != values.end();
}

void check(const CudaSchedule& schedule, const ir::Kernel& kernel,
           const Specialization& specialization, const Target& target) {
  if (schedule.threads < 32 || schedule.threads > 1024 || schedule.threads % 32 != 0)
    refuse_schedule(
        fmt::format("threads={} is not a multiple of 32 from 32 to 1024", schedule.threads));
  const int low = least_access(kernel);
  const int high = widest_access(kernel, target);
  if (!std::has_single_bit(static_cast<unsigned>(schedule.access_bytes)) ||
      schedule.access_bytes < low || schedule.access_bytes > high)
    refuse_schedule(fmt::format("bytes={} is not a power of two from {}, {} of '{}', to {}, "
                                "the widest access of it on sm_{}",
                                schedule.access_bytes, low,
                                low > widest_element(kernel) ? "two of the widest elements"
                                                             : "the widest element",
                                kernel.name(), high, target.sm));
  const bool by_rows = !ir::is_elementwise(kernel);
  if (!is_one_of(schedule.accesses, {1, 2, 4, 8}) && !(by_rows && schedule.accesses == 16))
    refuse_schedule(fmt::format("accesses={} is not one of 1, 2, 4, 8{}", schedule.accesses,
                                by_rows ? ", 16" : ""));
  if (rows_of_groups(kernel) > 0)
    TileSchedules(kernel, specialization, target).check(schedule);
  else if (by_rows)
    RowSchedules(kernel, specialization, target).check(schedule);
  else if (schedule.row_threads != 0)
    refuse_schedule(fmt::format("row={} is for kernels that reach along their rows; '{}' takes 0",
                                schedule.row_threads, kernel.name()));
  else if (schedule.ahead)
    refuse_schedule(fmt::format("ahead=1 is for kernels that reach along their rows; '{}' takes 0",
                                kernel.name()));
  if (schedule.waves < 0 || schedule.waves > 64)
    refuse_schedule(fmt::format(
        "grid={} is neither 'once' nor from 1 to 64 blocks a multiprocessor", schedule.waves));
  if (schedule.load == LoadPolicy::evict_last && target.sm < 80)
    refuse_schedule(
        fmt::format("load=evict_last needs sm_80 or later, the target is sm_{}", target.sm));
  if (schedule.dependent_launch != DependentLaunch::none && target.sm < 90)
    refuse_schedule(fmt::format("dependent={} needs sm_90 or later, the target is sm_{}",
                                spelling(kDependentNames, schedule.dependent_launch), target.sm));
  if (schedule.fetch)
    check_fetch(schedule, kernel, specialization);
  if (schedule.resident < 256 || schedule.resident % 256 != 0 ||
      schedule.resident > resident_threads(target))
    refuse_schedule(
        fmt::format("resident={} is not a multiple of 256 from 256 to {}, the threads that a "
                    "multiprocessor of sm_{} holds",
                    schedule.resident, resident_threads(target), target.sm));
}

void check(const HostSchedule& schedule, const ir::Kernel& kernel) {
  if (schedule.lanes < 1 || schedule.lanes > 64 ||
      !std::has_single_bit(static_cast<unsigned>(schedule.lanes)))
    refuse_schedule(fmt::format("lanes={} is not a power of two from 1 to 64", schedule.lanes));
  if (schedule.lanes == 1 && ir::has_packed_tensors(kernel))
    refuse_schedule(
        fmt::format("lanes=1 is below 2, for two elements of '{}' share a byte", kernel.name()));
  if (!is_one_of(schedule.unroll, {1, 2, 4}))
    refuse_schedule(fmt::format("unroll={} is not one of 1, 2, 4", schedule.unroll));
  if (schedule.grain < 1)
    refuse_schedule(fmt::format("grain={} is below 1", schedule.grain));
  if (schedule.threads < 0)
    refuse_schedule(fmt::format("threads={} is negative; 0 means all", schedule.threads));
}

// --- defaults ---

// The measurements behind these numbers: on an H200 one 16-byte access per tensor and thread and
// one pass were best at every size, 256 to 1024 threads alike at large sizes, and small grids
// gained from more, smaller blocks. On an H100 blocks of 128 threads lost up to 9 % from 64x14336
// on where the tensors lay at unlucky distances, and blocks of 256 did not. Dependent launch takes
// a quarter to a third off small launches and costs nothing on large ones with 128 threads and
// more. Where alignment splits an access into pieces of one or two elements, a warp does better to
// read neighbouring pieces, and each thread several at a distance (2048x4096 of bf16, rows at odd
// places: SwiGLU 18.9 and 15.3 us, its gradient in place 62 and 32; f32 there 26.0 and 25.0, 68 and
// 54); with larger pieces it does not matter (at most 3 %). Blocks that find no
// row to work on cost their start: of 8320x14336 with nothing to do, 71 us in blocks of 256 threads
// and 23 us in blocks of 1024, which cost full counts nothing; 11 us in 64 blocks of 256 threads a
// multiprocessor, each with neighbouring rows, which cost full counts 3 % and win from a tenth less
// on.
CudaSchedule default_cuda(const ir::Kernel& kernel, const Specialization& specialization,
                          const Target& target, std::int64_t elements) {
  constexpr std::int64_t kMultiprocessors = 132;
  constexpr std::int64_t kItemsOfSmallGrids = kMultiprocessors * 512;
  constexpr std::int64_t kOneWave = kMultiprocessors * 2048;
  constexpr int kPieces = 4; // of a thread where alignment splits accesses
  constexpr int kLargestBlock = 1024;
  constexpr int kWavesOfCounts = 64, kFewStreams = 4;
  CudaSchedule schedule;
  const int element = widest_element(kernel);
  const int aligned = aligned_elements(kernel, specialization);
  int count = std::min(16 / element, affordable_elements(kernel));
  if (mostly_strided(specialization)) {
    count = 1;
  } else if (aligned <= 2 && aligned < count) {
    count = std::max(std::clamp(4 / element, 1, aligned), least_access(kernel) / element);
    schedule.accesses = std::min({elements <= kOneWave / 4 ? 1
                                  : elements <= kOneWave   ? kPieces / 2
                                                           : kPieces,
                                  std::max(16 / (count * element), 1),
                                  std::max(affordable_elements(kernel) / count, 1)});
  } else if (elements <= 4 * kOneWave) {
    count = std::min(count, 4);
  }
  schedule.access_bytes = std::max(count * element, least_access(kernel));
  schedule.threads = elements / (count * schedule.accesses) < kItemsOfSmallGrids ? 128 : 256;
  schedule.dependent_launch = usual_dependent(target);
  schedule.resident = default_resident(kernel, target, schedule.threads);
  if (schedule.threads == 256 && specialization.valid_rows != ValidRows::all) {
    schedule.waves = kWavesOfCounts;
    if (streams(kernel) <= kFewStreams) // their loops need no more registers than that leaves
      schedule.resident = resident_threads(target);
  } else if (schedule.threads == 256 && kernel.skip()) {
    schedule.threads = kLargestBlock;
    schedule.resident = kLargestBlock;
  }
  return schedule;
}

// Four registers a value keep the arithmetic units busy through the latency of divisions and
// polynomials better than unrolled loops do, whose bodies follow one another (15 to 40 % on Zen 5),
// until values no longer fit the register file. The shortest bodies gain from eight on a CPU of
// sixteen registers (2 to 12 % on Zen 3), where all go through memory anyway. On AArch64, whose
// arithmetic takes nothing from memory, eight spill (4 to 18 % more cycles in models of Neoverse).
HostSchedule default_host(const ir::Kernel& kernel, const Specialization& specialization,
                          const Target& target) {
  HostSchedule schedule;
  const std::size_t nodes = kernel.nodes().size();
  const int most = target.triple.starts_with("aarch64") ? 4 : 8;
  const int registers = nodes <= 24 ? most : nodes <= 48 ? 4 : nodes <= 256 ? 2 : 1;
  schedule.lanes = std::clamp(natural_lanes(kernel, target) * registers,
                              ir::has_packed_tensors(kernel) ? 2 : 1, 64);
  if (const int lanes = lanes_of_overlap(kernel, specialization, target); lanes > 0)
    schedule.lanes = std::min(schedule.lanes, lanes);
  return schedule;
}

} // namespace

std::size_t instructions(const ir::Node& node) {
  return static_cast<std::size_t>(ir::info(node.op).cost);
}

std::size_t cuda_instructions(const ir::Kernel& kernel) {
  std::size_t size = 0;
  for (const ir::Node& node : kernel.nodes()) {
    const ir::GpuCost& times = ir::info(node.op).gpu_cost;
    size += instructions(node) *
            static_cast<std::size_t>(node.type == DType::f64 ? times.f64 : times.f32);
  }
  return size;
}

std::string canonical(const Schedule& schedule) {
  if (const auto* cuda = std::get_if<CudaSchedule>(&schedule))
    return fmt::format(
        "threads={}{}{} bytes={} accesses={} grid={} load={} store={} dependent={}{} resident={}",
        cuda->threads, cuda->row_threads > 0 ? fmt::format(" row={}", cuda->row_threads) : "",
        cuda->ahead ? " ahead=1" : "", cuda->access_bytes, cuda->accesses,
        cuda->waves == 0 ? "once" : std::to_string(cuda->waves), spelling(kLoadNames, cuda->load),
        spelling(kStoreNames, cuda->store), spelling(kDependentNames, cuda->dependent_launch),
        cuda->fetch ? " fetch=1" : "", cuda->resident);
  const auto& host = std::get<HostSchedule>(schedule);
  return fmt::format("lanes={} unroll={} store={} grain={} threads={}", host.lanes, host.unroll,
                     host.streaming ? "streaming" : "auto", host.grain, host.threads);
}

Schedule code_schedule(const Schedule& schedule) {
  if (const auto* cuda = std::get_if<CudaSchedule>(&schedule)) {
    CudaSchedule code = *cuda;
    if (code.row_threads > 0)
      return code; // who has which columns is part of the code
    code.threads = code.threads <= 256 ? 256 : 1024;
    code.waves = std::min(code.waves, 1);
    return code;
  }
  HostSchedule code = std::get<HostSchedule>(schedule);
  code.grain = HostSchedule{}.grain;
  code.threads = HostSchedule{}.threads;
  return code;
}

std::string code_line(const Schedule& schedule) {
  return canonical(code_schedule(schedule));
}

Schedule parse_schedule(std::string_view text, const Schedule& base) {
  Schedule schedule = base;
  // Keys that say what threads hold were given, or the kind of launch, and these two:
  bool places = false, launch = false, ahead = false, fetch = false;
  constexpr std::string_view separators = " ,\t\n";
  for (std::size_t at = text.find_first_not_of(separators); at != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(separators, at), text.size());
    const std::string_view word = text.substr(at, end - at);
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos)
      refuse_schedule(fmt::format("schedule has '{}' where key=value was expected", word));
    const std::string_view key = word.substr(0, equals);
    places = places || key == "threads" || key == "row" || key == "bytes" || key == "accesses";
    launch = launch || key == "dependent" || key == "grid";
    ahead = ahead || key == "ahead";
    fetch = fetch || key == "fetch";
    std::visit([&](auto& s) { set(s, key, word.substr(equals + 1)); }, schedule);
    at = text.find_first_not_of(separators, end);
  }
  if (auto* cuda = std::get_if<CudaSchedule>(&schedule)) { // see also `canonical`
    cuda->ahead = cuda->ahead && (ahead || !places); // the default's is for what its threads hold
    cuda->fetch = cuda->fetch && (fetch || !(places || launch));
  }
  return schedule;
}

Schedule parse_schedule(std::string_view text, const Schedule& base, const ir::Kernel& kernel) {
  Schedule schedule = parse_schedule(text, base);
  auto* cuda = std::get_if<CudaSchedule>(&schedule);
  if (cuda && rows_of_groups(kernel) > 0 && text.find("row=") == std::string_view::npos &&
      cuda->row_threads != cuda->threads)
    cuda->row_threads = 32;
  return schedule;
}

bool fills_cache(const ir::Kernel& kernel, std::int64_t elements) {
  constexpr std::int64_t kMuch = 24 << 20; // an H100 and an H200 have 50 MB
  std::int64_t read = 0, written = 0;      // bits an element
  for (const ir::Param& param : kernel.params()) {
    if (!param.is_tensor() || param.broadcast != ir::Broadcast::none)
      continue;
    const int bits = is_packed(param.dtype) ? 4 : 8 * size_of(param.dtype);
    read += param.is_read() ? bits : 0;
    written += param.is_written() ? bits : 0;
  }
  return 2 * written >= read && elements > 0 && 8 * kMuch / elements < read + written;
}

// What is read stays in the L2 cache longer than what is written where a call fills most of it, so
// memory is written to all the time (8192 rows of 14336 of bf16 on an H200: RMSNorm of a sum 3.4 %
// less time, SwiGLU backward in place 2.9 %, RMSNorm 2.4 %, SwiGLU 1 %; a few MB take up to 6 %
// more, and activations to 8 bits, which write little, up to 2 %). Other GPUs leave it to the
// tuner.
Schedule default_schedule(const ir::Kernel& kernel, const Specialization& specialization,
                          const Target& target, std::int64_t elements) {
  if (target.kind != Target::Kind::cuda)
    return default_host(kernel, specialization, target);
  if (rows_of_groups(kernel) > 0)
    return TileSchedules(kernel, specialization, target).usual(elements);
  CudaSchedule schedule = ir::is_elementwise(kernel)
                              ? default_cuda(kernel, specialization, target, elements)
                              : RowSchedules(kernel, specialization, target).usual(elements);
  if (has_default_policy(target) && fills_cache(kernel, elements))
    schedule.load = LoadPolicy::evict_last;
  if (has_default_policy(target))
    fetch_early(schedule, kernel, specialization, elements);
  return schedule;
}

void check_schedule(const Schedule& schedule, const ir::Kernel& kernel,
                    const Specialization& specialization, const Target& target) {
  check_specialization(specialization, kernel);
  const bool cuda = target.kind == Target::Kind::cuda;
  if (std::holds_alternative<CudaSchedule>(schedule) != cuda)
    refuse_schedule(fmt::format("a {} schedule was given for the target '{}'",
                                cuda ? "host" : "CUDA", canonical(target)));
  if (cuda)
    check(std::get<CudaSchedule>(schedule), kernel, specialization, target);
  else
    check(std::get<HostSchedule>(schedule), kernel);
}

int vector_elements(const Schedule& schedule, const ir::Kernel& kernel) {
  if (const auto* cuda = std::get_if<CudaSchedule>(&schedule))
    return std::max(cuda->access_bytes / widest_element(kernel), 1);
  return std::get<HostSchedule>(schedule).lanes;
}

int thread_elements(const Schedule& schedule, const ir::Kernel& kernel) {
  const auto* cuda = std::get_if<CudaSchedule>(&schedule);
  return vector_elements(schedule, kernel) *
         (cuda ? cuda->accesses : std::get<HostSchedule>(schedule).unroll);
}

} // namespace swage::codegen
