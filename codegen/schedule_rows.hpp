// schedule_rows.hpp -- CUDA schedules of kernels that work row by row.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <vector>

#include "codegen/kept_values.hpp"
#include "codegen/row_plan.hpp"
#include "codegen/schedule.hpp"

namespace swage::codegen {

/// Of the GPUs that the defaults were measured on.
inline constexpr std::int64_t kMultiprocessors = 132;

/// Threads that all multiprocessors have room for, with 64 registers each.
inline constexpr std::int64_t kThreadsOfAll = kMultiprocessors * 1024;

/// Elements an access of rows that one block has: so that 256 threads reach all lanes of the order
/// of a sum at once, and none has to be combined with another's. Eight elements of 16 bits at a
/// time were 1 to 5 % slower on an H100, at 2048 rows and more of 4096 to 14336 columns.
inline constexpr int kOfOneBlock = 4;

/// So few that blocks of one row leave room on most multiprocessors: what counts is how long a row
/// takes, not how many are under way.
inline bool are_few(std::int64_t rows) {
  return rows <= 2 * kMultiprocessors;
}

/// The schedules of one kernel and one kind of call. Keeps references to all three.
class RowSchedules {
public:
  RowSchedules(const ir::Kernel& kernel, const Specialization& specialization, const Target& target)
      : kernel_(kernel), specialization_(specialization), target_(target),
        plan_(make_row_plan(kernel)), kept_(kept_in_registers(kernel, plan_)),
        held_bits_(held_bytes(kernel, plan_, kept_, false)),
        held_values_(held_bytes(kernel, plan_, kept_, true)),
        least_of_groups_(least_bytes_of_groups()) {}

  /// What a geometry takes. Throws Error(invalid_argument), see check_schedule.
  void check(const CudaSchedule& schedule) const;
  /// See default_schedule.
  CudaSchedule usual(std::int64_t elements) const;
  /// See all_schedules.
  std::vector<Schedule> all() const;

private:
  /// A few registers spilled cost less than a row read anew for each stage.
  static constexpr int kSpilled = 12;
  static constexpr int kRegisters = 65536; ///< of a multiprocessor
  static constexpr int kMostParts = 64;    ///< of a row whose columns are computed apart
  /// Of blocks that go over rows and reduce their groups, and where 64 registers a thread are
  /// enough.
  static constexpr int kResidentOfLoops = 768, kResidentOfSmallLoops = 1024;
  static constexpr int kResidentOfParts = 1536; ///< of blocks of parts, which load all first

  /// Of kernels that sum over their rows: a block has a strand, so there are at most kSumStrands of
  /// them however many rows there are, two a multiprocessor of large GPUs. What keeps memory busy
  /// is the next row, loaded while one is computed. None where no thread can hold its part of one.
  std::optional<CudaSchedule> usual_of_strands(std::int64_t columns, std::int64_t rows) const;
  bool keeps_apart(CudaSchedule schedule, std::int64_t rows) const;
  /// Blocks of a row, and threads of each.
  struct Split {
    int blocks;
    int threads;
  };
  /// How rows are split over clusters of blocks: long ones, and shorter ones where they are few.
  std::optional<Split> usual_split(std::int64_t columns, std::int64_t rows) const;
  bool has_pairs_ahead(std::int64_t columns, std::int64_t rows) const;
  /// Over sixteen of them, which hold it: long rows of H100s and H200s. `anyway`: so many rows that
  /// eight were faster, if these had room for one.
  std::optional<CudaSchedule> usual_of_sixteen(std::int64_t columns, std::int64_t rows,
                                               bool anyway) const;
  bool held_by_sixteen(CudaSchedule& schedule, std::int64_t bytes, std::int64_t each,
                       std::int64_t rows, bool crowds) const;
  std::int64_t rows_of_sixteen(std::int64_t row_bytes) const;
  int resident_of_sixteen(int threads, std::int64_t rows, bool is_full) const;
  int access_of_long(bool narrow) const;
  bool compares() const;
  /// What a row is reduced to is reduced again.
  bool is_reduced_twice() const { return plan_.reductions.size() > 1; }
  /// Over these blocks; none where there is no such split, or they do not hold the row.
  std::optional<CudaSchedule> usual_of_blocks(std::int64_t columns, std::int64_t rows) const;
  /// Where columns are computed apart: parts of a row as blocks of their own. None where the row is
  /// short. `rows` are likely, `least` the fewest of the size class.
  std::optional<CudaSchedule> usual_of_parts(std::int64_t columns, std::int64_t rows,
                                             std::int64_t least) const;
  /// The same where groups of a row are reduced and elements are not few; `selects`: rows are
  /// selected.
  std::optional<CudaSchedule> usual_of_groups(std::int64_t columns, std::int64_t rows,
                                              std::int64_t least, bool selects) const;
  /// Makes a schedule whose columns are computed apart one of parts of a row. Returns false, and
  /// leaves it, where one block holds the row, or that is not legal, or spills.
  bool split(CudaSchedule& schedule) const;
  /// Bytes of the narrowest access with which a warp has groups in whole where it has to, for they
  /// are overwritten in place; 0 where it need not, or cannot.
  int least_bytes_of_groups() const;
  /// Bytes of an access of `most` elements and `bytes` at most, but of no less than groups take.
  int access(int most, int bytes = 16) const;
  bool is_legal(const CudaSchedule& schedule) const;
  static CudaSchedule split_over(CudaSchedule schedule, int blocks) {
    schedule.waves = blocks;
    return schedule;
  }
  bool is_held(const CudaSchedule& schedule) const;
  /// Whether there is something that can be loaded before a row is reduced, see
  /// CudaSchedule::ahead.
  bool has_columns_to_load() const;
  bool has_much_to_load_ahead(std::int64_t columns) const;
  /// Whether all elements that are stored have 8 bits or less.
  bool stores_codes() const;
  /// Whether a function takes many registers at once.
  bool has_large_function() const;
  /// Whether rows take longer to compute than to read: codes of two inputs.
  bool are_busy() const;
  /// Whether rows have so many columns that they are known, and come out even.
  bool is_multiple(std::int64_t columns, std::int64_t of) const {
    return specialization_.columns_known && columns % of == 0;
  }
  bool is_power(std::int64_t columns) const {
    return specialization_.columns_known &&
           std::has_single_bit(static_cast<std::uint64_t>(columns));
  }
  /// Threads of a busy row in all its blocks.
  std::int64_t threads_of_busy(std::int64_t columns, std::int64_t rows) const;
  /// Threads of a row that one block has, by default.
  int usual_row_threads(std::int64_t columns, std::int64_t rows) const;
  int resident_ahead(CudaSchedule schedule, std::int64_t columns) const;
  /// Bytes of the accesses of a row that one block of `row` threads has, by default.
  int usual_bytes(int row, std::int64_t columns, std::int64_t rows) const;
  /// What is loaded ahead, registers and the kind of launch, of a schedule that holds rows.
  void complete(CudaSchedule& schedule, std::int64_t columns, std::int64_t rows,
                std::int64_t least) const;
  bool loads_columns_of_many() const;
  bool leaves_room(const CudaSchedule& schedule, std::int64_t columns, std::int64_t rows) const;
  bool is_short(std::int64_t columns) const;
  bool is_worth_splitting(const CudaSchedule& schedule, int blocks) const;
  /// Where columns are computed apart: the fewest blocks of a row that hold it.
  std::int64_t parts(const CudaSchedule& schedule) const;
  /// Registers of a thread, roughly: what it holds of each tensor, sums and two values a column at
  /// hand, and addresses. The assembler found place in so many for the catalogue's kernels.
  int registers(const CudaSchedule& schedule) const;
  /// Whether one block has these registers, all but `spilled` of each thread.
  bool fits(const CudaSchedule& schedule, int spilled) const;
  /// Whether blocks have their whole row under way before they compute.
  bool loads_row_ahead(std::int64_t columns, std::int64_t rows) const;
  /// Whether launches of so many rows that wait would get in each other's way.
  bool crowd(const CudaSchedule& schedule, std::int64_t rows) const;
  /// Whether so many rows take nearly all of the GPU at once, and no more.
  bool nearly_fill(const CudaSchedule& schedule, std::int64_t rows) const;
  /// Of a schedule that reduces groups of rows, whose threads hold parts of them in one access or
  /// load the next one ahead: the same with other numbers of registers.
  void add_residents(CudaSchedule schedule, std::vector<Schedule>& schedules) const;
  /// Threads that a multiprocessor can hold without spills, as `registers` has it.
  int resident(const CudaSchedule& schedule) const;
  /// The same of parts of a row that reduce its groups, which are short programs: as many as leave
  /// each thread what it loads and little besides, `wanted` at most. The assembler finds place for
  /// the rest then, and blocks that wait hide each other.
  int resident_of_part(const CudaSchedule& schedule, int wanted) const;
  static int resident_of_few(const CudaSchedule& schedule);

  const ir::Kernel& kernel_;
  const Specialization& specialization_;
  const Target& target_;
  const RowPlan plan_;
  const std::vector<KeptValue> kept_;
  const int held_bits_, held_values_; ///< see held_bytes
  const int least_of_groups_;
};

} // namespace swage::codegen
