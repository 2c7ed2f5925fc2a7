// compare.cpp -- a kernel's results against the evaluator, element by element.
#include "runtime/verify/compare.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <mutex>

#include "ir/evaluate.hpp"
#include "runtime/base/parallel.hpp"
#include "runtime/verify/compare_rows.hpp"

namespace swage::verify {

namespace {

constexpr std::int64_t kBlock = static_cast<std::int64_t>(ir::Evaluator::kBatch);

/// Following intervals costs a hundred times an evaluation. Where this many elements are beyond the
/// limit, the kernel is wrong and the rest is counted as such.
constexpr std::int64_t kMaxAdmissibleChecks = 1 << 20;

/// Errors of f32 and f64 up to this are no reason to look at what the operations owe: about what
/// one function does.
constexpr double kSuspectUlp = 2;
/// About so many of those within the limit are looked at, the first of each block: a fault shows in
/// more than a few, and which they are must not depend on threads.
constexpr std::int64_t kSuspectChecks = 1 << 15;

/// Which elements are compared: blocks by index, each [first, first + count).
class Sample {
public:
  Sample(std::int64_t elements, std::int64_t limit) : elements_(elements) {
    const std::int64_t wanted = std::max(limit, kBlock);
    all_ = elements <= wanted;
    blocks_ = all_ ? (elements + kBlock - 1) / kBlock : wanted / kBlock;
  }
  std::int64_t blocks() const noexcept { return blocks_; }
  std::int64_t first(std::int64_t block) const noexcept {
    if (all_ || blocks_ == 1)
      return block * kBlock;
    // In two steps, since (elements - kBlock) * block may pass 63 bits.
    const std::int64_t span = elements_ - kBlock, gaps = blocks_ - 1;
    return span / gaps * block + span % gaps * block / gaps;
  }
  std::int64_t count(std::int64_t block) const noexcept {
    return std::min(kBlock, elements_ - first(block));
  }

private:
  std::int64_t elements_, blocks_;
  bool all_;
};

class Comparer {
public:
  Comparer(const ir::Kernel& kernel, const Operands& operands, const Shape& shape,
           const CompareOptions& options)
      : kernel_(kernel), operands_(operands.all()), columns_(shape.empty() ? 1 : shape.back()),
        options_(options), evaluator_(kernel), admissible_(kernel),
        sample_(element_count(shape), options.sample) {
    for (const ir::Store& store : kernel.stores()) {
      OutputComparison& total = totals_.emplace_back();
      total.param = store.param;
      total.limit = options.max_ulp.value_or(default_max_ulp(kernel.params()[store.param].dtype));
      results_.push_back(operands.result(store.param));
    }
    if (options.where) {
      where_.emplace(*options.where);
      for (const ir::Param& param : options.where->params())
        where_params_.push_back(index_of(param.name));
    }
    broadcasts_ = std::any_of(operands_.begin(), operands_.end(), [](const Operand& operand) {
      return operand.param.broadcast != ir::Broadcast::none;
    });
  }

  std::vector<OutputComparison> run() {
    constexpr std::int64_t grain = 64; // blocks
    base::parallel_ranges(sample_.blocks(), grain, [&](std::int64_t begin, std::int64_t end) {
      Scratch scratch(*this);
      for (std::int64_t block = begin; block < end; ++block)
        compare_block(sample_.first(block), sample_.count(block), scratch);
      const std::scoped_lock lock(mutex_);
      for (std::size_t i = 0; i < totals_.size(); ++i)
        merge(totals_[i], std::move(scratch.found[i]));
    });
    return std::move(totals_);
  }

private:
  /// What one task works in.
  struct Scratch {
    explicit Scratch(const Comparer& comparer)
        : found(comparer.totals_), worst_is_wrong(found.size(), false), suspects_left(found.size()),
          columns(comparer.kernel_.stores().size()), arguments(comparer.operands_.size()) {
      for (OutputComparison& output : found)
        output = {.param = output.param, .limit = output.limit};
    }
    std::vector<OutputComparison> found;
    std::vector<bool> worst_is_wrong;
    std::vector<std::int64_t> suspects_left; ///< in this block, by store
    std::vector<ir::Column> columns;
    std::vector<ir::Elements> arguments;
    ir::Evaluator::Workspace workspace, where_workspace;
    std::array<double, ir::Evaluator::kBatch> errors;
    ir::Column where; ///< set with CompareOptions::where alone
  };

  static void merge(OutputComparison& total, OutputComparison&& part) {
    const bool part_is_worse =
        part.worst && (!total.worst || (part.wrong > 0) > (total.wrong > 0) ||
                       ((part.wrong > 0) == (total.wrong > 0) &&
                        worse(part.worst->error, part.worst->index, *total.worst)));
    total.checked += part.checked;
    total.max_error = std::max(total.max_error, part.max_error);
    total.max_plain_error = std::max(total.max_plain_error, part.max_plain_error);
    total.misrounded += part.misrounded;
    total.admitted += part.admitted;
    for (std::size_t i = 0; i < total.admitted_by.size(); ++i)
      total.admitted_by[i] += part.admitted_by[i];
    if (part.worst_admitted &&
        (!total.worst_admitted ||
         worse(part.worst_admitted->error, part.worst_admitted->index, *total.worst_admitted)))
      total.worst_admitted = std::move(part.worst_admitted);
    total.histogram.merge(part.histogram);
    total.wrong += part.wrong;
    if (part_is_worse)
      total.worst = std::move(part.worst);
  }

  /// Larger error first, then smaller index, so that the element shown does not depend on threads.
  static bool worse(double error, std::int64_t index, const ShownElement& than) {
    return error > than.error || (error == than.error && index < than.index);
  }

  /// Broadcasts step from row to row, so a batch may not pass the end of one.
  void compare_block(std::int64_t first, std::int64_t count, Scratch& scratch) {
    std::fill(
        scratch.suspects_left.begin(), scratch.suspects_left.end(),
        std::max<std::int64_t>(1, kSuspectChecks / std::max<std::int64_t>(1, sample_.blocks())));
    while (count > 0) {
      const std::int64_t part = broadcasts_ ? std::min(count, columns_ - first % columns_) : count;
      compare_batch(first, static_cast<std::size_t>(part), scratch);
      first += part;
      count -= part;
    }
  }

  void compare_batch(std::int64_t first, std::size_t count, Scratch& scratch) {
    for (std::size_t p = 0; p < operands_.size(); ++p)
      scratch.arguments[p] = elements_at(operands_[p], first, columns_);
    if (where_)
      choose(count, scratch);
    evaluator_.batch(count, scratch.arguments, scratch.columns, scratch.workspace);
    for (std::size_t s = 0; s < results_.size(); ++s) {
      const DType type = kernel_.params()[kernel_.stores()[s].param].dtype;
      const ir::Elements got = {results_[s].data() + first * size_of(type), size_of(type)};
      ir::ulp_errors(type, got, scratch.columns[s], count, scratch.errors.data());
      OutputComparison& found = scratch.found[s];
      const double correct = std::min(0.5, found.limit);
      for (std::size_t i = 0; i < count; ++i) {
        if (where_ && scratch.where.integer[i] == 0)
          continue;
        const double error = scratch.errors[i];
        const std::int64_t index = first + static_cast<std::int64_t>(i);
        ++found.checked;
        if (options_.histogram)
          found.histogram.add(error);
        if (error > correct || (error == 0.5 && !is_even_tie(s, index, scratch.columns[s][i])))
          judge(s, index, error, scratch.columns[s][i], scratch);
        else {
          found.max_error = std::max(found.max_error, error);
          found.max_plain_error = std::max(found.max_plain_error, error);
        }
      }
    }
  }

  /// Evaluates which elements of the batch are to be compared.
  void choose(std::size_t count, Scratch& scratch) {
    std::vector<ir::Elements> arguments;
    for (const std::size_t param : where_params_)
      arguments.push_back(param < operands_.size() ? scratch.arguments[param] : ir::Elements{});
    where_->batch(count, arguments, std::span(&scratch.where, 1), scratch.where_workspace);
  }

  /// A value between two neighbours: whether it was rounded to the even one.
  bool is_even_tie(std::size_t store, std::int64_t index, const ir::Scalar& exact) const {
    const DType type = kernel_.params()[kernel_.stores()[store].param].dtype;
    return got_at(store, index) == ir::encode(type, exact);
  }

  /// By parameter name; the number of parameters if there is none.
  std::size_t index_of(const std::string& name) const {
    std::size_t p = 0;
    while (p < operands_.size() && operands_[p].param.name != name)
      ++p;
    return p;
  }

  /// An element that is not correctly rounded, or beyond a limit below half an ulp.
  void judge(std::size_t store, std::int64_t index, double error, const ir::Scalar& exact,
             Scratch& scratch) {
    OutputComparison& found = scratch.found[store];
    found.max_error = std::max(found.max_error, error);
    const bool misrounded = error > 0.5 || (error == 0.5 && !is_even_tie(store, index, exact));
    found.misrounded += misrounded;
    const bool beyond = error > found.limit;
    const DType type = kernel_.params()[kernel_.stores()[store].param].dtype;
    const bool suspect = size_of(type) <= 2 ? misrounded : error > kSuspectUlp;
    const bool unsure =
        beyond || (suspect && !options_.max_ulp && scratch.suspects_left[store]-- > 0);
    const std::optional<Reason> reason =
        unsure ? admitted(store, index, error, exact) : std::nullopt;
    const bool wrong = unsure && !reason;
    found.wrong += wrong;
    if (reason && beyond) {
      ++found.admitted;
      ++found.admitted_by[static_cast<std::size_t>(*reason)];
      if (!found.worst_admitted || worse(error, index, *found.worst_admitted))
        found.worst_admitted = shown(store, index, error, exact);
    } else {
      found.max_plain_error = std::max(found.max_plain_error, error);
    }
    const bool replaces =
        !found.worst || (wrong && !scratch.worst_is_wrong[store]) ||
        (wrong == scratch.worst_is_wrong[store] && worse(error, index, *found.worst));
    if (!replaces)
      return;
    scratch.worst_is_wrong[store] = wrong;
    found.worst = shown(store, index, error, exact);
  }

  ShownElement shown(std::size_t store, std::int64_t index, double error,
                     const ir::Scalar& exact) const {
    const DType type = kernel_.params()[kernel_.stores()[store].param].dtype;
    return {.index = index,
            .inputs = inputs_at(operands_, index, columns_),
            .got = got_at(store, index),
            .expected = ir::encode(type, exact),
            .exact = exact,
            .error = error};
  }

  std::optional<Reason> admitted(std::size_t store, std::int64_t index, double error,
                                 const ir::Scalar& exact) {
    // NaN or infinity for a finite value needs no further look.
    if (options_.max_ulp || (std::isinf(error) && std::isfinite(exact.real) &&
                             is_float(kernel_.params()[kernel_.stores()[store].param].dtype)))
      return std::nullopt;
    if (admissible_checks_.fetch_add(1) >= kMaxAdmissibleChecks)
      return std::nullopt;
    return admissible_.check(store, got_at(store, index), inputs_at(operands_, index, columns_));
  }

  std::uint64_t got_at(std::size_t store, std::int64_t index) const {
    const DType type = kernel_.params()[kernel_.stores()[store].param].dtype;
    return ir::load_bits(type, results_[store].data() + index * size_of(type));
  }

  const ir::Kernel& kernel_;
  std::span<const Operand> operands_;
  std::int64_t columns_;
  const CompareOptions& options_;
  ir::Evaluator evaluator_;
  std::optional<ir::Evaluator> where_;
  std::vector<std::size_t> where_params_; ///< by its parameter: ours
  AdmissibleResults admissible_;
  Sample sample_;
  bool broadcasts_ = false;
  std::vector<std::span<const std::byte>> results_; ///< by store
  std::vector<OutputComparison> totals_;            ///< by store
  std::mutex mutex_;
  std::atomic<std::int64_t> admissible_checks_{0};
};

} // namespace

double default_max_ulp(DType type) noexcept {
  if (!is_float(type))
    return 0;
  return size_of(type) <= 2 ? 1 : 16;
}

std::vector<OutputComparison> compare(const ir::Kernel& kernel, const Operands& operands,
                                      const Shape& shape, const CompareOptions& options) {
  if (!ir::is_elementwise(kernel) || kernel.skip())
    return compare_rows(kernel, operands, shape, options);
  return Comparer(kernel, operands, shape, options).run();
}

} // namespace swage::verify
