// registry.cpp -- the images that this process carries, and what they hold for a call.
#include "runtime/embedded/registry.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <mutex>
#include <set>
#include <tuple>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "codegen/host_level.hpp"
#include "codegen/serves.hpp"
#include "codegen/specialization_text.hpp"
#include "runtime/base/log.hpp"
#include "runtime/embedded/image.hpp"
#include "swage/error.hpp"

namespace swage::embedded {

namespace {

/// An image whose bytes were checked.
struct Opened {
  const swage_kernel_image* source;
  Image image;
};

struct Registry {
  std::mutex mutex;
  /// Registered and not looked at yet, a list through `next`; and those that are of use.
  swage_kernel_image* waiting = nullptr;
  std::vector<Opened> opened;
};

/// There before any constructor runs and after every destructor: images come before main and go
/// after it.
union Lasting {
  constexpr Lasting() : registry() {}
  ~Lasting() {}
  Registry registry;
};
constinit Lasting g_lasting;

/// Looks at what was registered since the last time; gives what is wrong with it.
std::vector<std::string> open_waiting(Registry& all) {
  std::vector<std::string> defects;
  while (all.waiting) {
    const swage_kernel_image* source = all.waiting;
    Decoded decoded = decode({static_cast<const char*>(source->bytes), source->size});
    if (decoded.image)
      all.opened.push_back({source, *std::move(decoded.image)});
    else
      defects.push_back(std::move(decoded.defect));
    all.waiting = all.waiting->next; // last, for memory may run out above
  }
  return defects;
}

/// "sm_90" to 90; 0 for what is no CUDA architecture.
int architecture_of(std::string_view target) {
  if (!target.starts_with("sm_"))
    return 0;
  int sm = 0;
  const auto [end, error] = std::from_chars(target.data() + 3, target.data() + target.size(), sm);
  return error == std::errc{} && end == target.data() + target.size() && sm > 0 ? sm : 0;
}

/// How good code of `name` is on `target`, from 1 on; 0 where it does not run.
int rank(std::string_view name, const codegen::Target& target) {
  if (target.kind == codegen::Target::Kind::cuda) {
    const int sm = architecture_of(name);
    return sm <= target.sm ? sm : 0;
  }
  const auto levels = codegen::native_levels();
  for (std::size_t i = 0; i < levels.size(); ++i)
    if (levels[i].name == name)
      return codegen::runs_here(levels[i]) ? static_cast<int>(i) + 1 : 0;
  return 0;
}

/// What code of `name` was made for; there is such a target.
codegen::Target target_named(std::string_view name) {
  const int sm = architecture_of(name);
  return sm > 0 ? codegen::cuda_target(sm) : codegen::target_of(*codegen::find_host_level(name));
}

/// The schedule of a variant, if it is one that its target can have had.
std::optional<codegen::Schedule> schedule_of(const ImageVariant& variant, const Wanted& wanted,
                                             const codegen::Specialization& made,
                                             const ImageCode& code) {
  const bool is_cuda = wanted.target.kind == codegen::Target::Kind::cuda;
  const codegen::Schedule base =
      is_cuda ? codegen::Schedule(codegen::CudaSchedule{}) : codegen::HostSchedule{};
  try {
    codegen::Schedule schedule = codegen::parse_schedule(variant.schedule, base);
    codegen::Target known = target_named(code.target);
    if (code.cubin.empty()) // else the driver is not asked to read the text
      known.newest_ptx = wanted.target.newest_ptx;
    known.cluster = wanted.target.cluster; // of what runs it, which may have smaller ones
    codegen::check_schedule(schedule, wanted.kernel, made, known);
    return schedule; // keys that are younger than the line are as in the schedule by default
  } catch (const Error&) {
    // A line of another time: as if it were not there.
  }
  return std::nullopt;
}

int distance(const ImageVariant& variant, int size_class) {
  return size_class < variant.first_size  ? variant.first_size - size_class
         : size_class > variant.last_size ? size_class - variant.last_size
                                          : 0;
}

/// A variant that serves, and how well.
struct Candidate {
  const ImageCode* code = nullptr;
  codegen::Specialization specialization;
  codegen::Schedule schedule;
  std::tuple<int, int, bool, int> merit{};
};

void consider(const Image& image, const ImageVariant& variant, const Wanted& wanted,
              Candidate& best) {
  const ImageCode& code = image.codes[variant.code];
  const int fit = rank(code.target, wanted.target);
  const bool is_cuda = wanted.target.kind == codegen::Target::Kind::cuda;
  if (fit == 0 || (is_cuda ? code.ptx.empty() && code.cubin.empty() : code.object.empty()))
    return;
  auto made = codegen::parse_specialization(variant.specialization, wanted.kernel);
  if (!made || !codegen::serves(*made, wanted.specialization))
    return;
  auto schedule = schedule_of(variant, wanted, *made, code);
  if (!schedule || (!wanted.code_line.empty() && codegen::code_line(*schedule) != wanted.code_line))
    return;
  const auto* host = std::get_if<codegen::HostSchedule>(&*schedule);
  const std::tuple merit(fit, codegen::knowledge(*made),
                         !host || host->streaming == wanted.streaming,
                         -distance(variant, wanted.size_class));
  if (best.code && merit <= best.merit)
    return;
  best = {&code, *std::move(made), *std::move(schedule), merit};
}

} // namespace

void add(swage_kernel_image& image) noexcept {
  Registry& all = g_lasting.registry;
  const std::lock_guard lock(all.mutex);
  for (const swage_kernel_image* at = all.waiting; at; at = at->next)
    if (at == &image)
      return; // it would follow itself
  for (const Opened& opened : all.opened)
    if (opened.source == &image)
      return;
  image.next = all.waiting;
  all.waiting = &image;
}

void remove(swage_kernel_image& image) noexcept {
  Registry& all = g_lasting.registry;
  const std::lock_guard lock(all.mutex);
  for (swage_kernel_image** at = &all.waiting; *at; at = &(*at)->next)
    if (*at == &image) {
      *at = image.next;
      break;
    }
  std::erase_if(all.opened, [&](const Opened& opened) { return opened.source == &image; });
}

namespace {

std::optional<Found> find_in(const Registry& all, const Wanted& wanted) {
  Candidate best;
  for (const Opened& opened : all.opened)
    for (const ImageVariant& variant : opened.image.variants)
      if (opened.image.kernels[variant.kernel].line == wanted.line)
        consider(opened.image, variant, wanted, best);
  if (!best.code)
    return std::nullopt;
  const ImageCode& code = *best.code;
  return Found{std::move(best.specialization), best.schedule,
               std::string(code.target),       std::string(code.entry_symbol),
               code.waits_for_dependencies,    code.has_totals,
               code.stores_single_row,         std::string(code.ptx),
               std::string(code.cubin),        std::string(code.object)};
}

} // namespace

std::optional<Found> find(const Wanted& wanted) {
  Registry& all = g_lasting.registry;
  std::vector<std::string> defects;
  std::optional<Found> found;
  {
    const std::lock_guard lock(all.mutex);
    defects = open_waiting(all);
    found = find_in(all, wanted);
  }
  for (const std::string& defect : defects)
    base::log(base::LogLevel::warn, "embedded kernels are not used: {}", defect);
  return found;
}

std::string describe(std::string_view name, std::string_view line) {
  Registry& all = g_lasting.registry;
  const std::lock_guard lock(all.mutex);
  std::size_t others = 0, variants = 0;
  std::set<std::string_view> targets;
  for (const Opened& opened : all.opened) {
    for (const ImageKernel& kernel : opened.image.kernels)
      others += kernel.name == name && kernel.line != line;
    for (const ImageVariant& variant : opened.image.variants)
      if (opened.image.kernels[variant.kernel].line == line) {
        ++variants;
        targets.insert(opened.image.codes[variant.code].target);
      }
  }
  if (variants > 0)
    return fmt::format("{} variants of it for {}, none for this call", variants,
                       fmt::join(targets, ", "));
  if (others > 0)
    return fmt::format("{} of that name, with other types, constants or text", others);
  return "nothing of that name";
}

} // namespace swage::embedded
