// tuning_records.hpp -- what tuning has found, one JSON line a measurement, shared by processes.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/tune/key.hpp"

namespace swage::tune {

/// One measurement.
struct TuningRecord {
  TuningKey key;
  std::string name;             ///< of the kernel, for people
  std::int64_t rows = 0;        ///< of the call that was measured; 1 when flat
  std::int64_t columns = 0;     ///< the element count when flat
  std::string schedule;         ///< the winner: the default where nothing beat it
  std::string default_schedule; ///< codegen::default_schedule's
  double seconds = 0;           ///< one launch of the winner, median
  double default_seconds = 0;   ///< of the default, in the same rounds
  double spread = 0;            ///< between the quartiles over the median
  std::int64_t bytes = 0;       ///< that one launch moves
  double roofline = 0;          ///< bytes a second that memory gave in the same run; 0: not known
  int candidates = 0;           ///< measured
  std::int64_t created = 0;     ///< seconds since 1970
  std::string version;          ///< of Swage
};

/// One line without its end.
std::string to_line(const TuningRecord& record);
/// Throws Error(invalid_argument) that says what is wrong with the line.
TuningRecord record_from_line(std::string_view line);

/// A file of records and what is in it. Thread safe. Every process appends whole lines in one
/// write each and reads what others have appended, so no line is lost or torn; later lines replace
/// earlier ones of the same key. A line that is no record is skipped and named once.
class TuningRecords {
public:
  /// Takes one line, without a final full stop.
  using Warn = std::function<void(std::string_view)>;

  /// Records in `directory`/records.jsonl; an empty name keeps them in memory alone. Opens nothing.
  TuningRecords(const std::string& directory, Warn warn);

  struct Match {
    TuningRecord record;
    bool exact = false; ///< else of the nearest size class, kMaxDistance away at most
  };
  /// Reads what was appended since the last call, then looks.
  std::optional<Match> find(const TuningKey& key);

  /// Remembers and appends. Throws Error(io) if the file cannot be written; the record then holds
  /// in this process.
  void add(const TuningRecord& record);

  /// The records that hold, by name and size.
  std::vector<TuningRecord> all();

  const std::string& path() const noexcept { return path_; } ///< empty: in memory

  /// Sixteen times the elements say little about a call.
  static constexpr int kMaxDistance = 4;

private:
  void refresh();
  void read_from(int descriptor, std::int64_t size);
  void take_line(std::string_view line);
  void keep(TuningRecord record);
  void append(const std::string& text);

  std::string directory_, path_;
  const Warn warn_;
  std::mutex mutex_;
  std::map<std::string, std::map<int, TuningRecord>> families_;
  std::uint64_t device_ = 0, inode_ = 0; ///< of the file read so far
  std::int64_t read_ = 0;                ///< bytes of it, whole lines
  std::int64_t lines_ = 0;
  int bad_ = 0;
  bool unreadable_ = false;
};

/// Those of $SWAGE_TUNING_DIR, else of the cache directory's "tuning".
TuningRecords& tuning_records();

} // namespace swage::tune
