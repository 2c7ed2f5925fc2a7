// swage.hpp -- the C++ API: kernels from strings, compiled on first use, launched on any device.
//
//   swage::Device device = swage::Device::open();
//   swage::Kernel swiglu = device.kernel(source, "swiglu", {{"T", swage::bf16}});
//   swiglu.launch(stream, {gate, up, h});
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "swage/binding.hpp"
#include "swage/dtype.hpp"
#include "swage/error.hpp"
#include "swage/export.h"

struct CUstream_st; ///< what a CUstream and a cudaStream_t point to

namespace swage {

inline constexpr int kMaxRank = 8;

/// A view of memory that the caller owns: device memory for a CUDA kernel, host memory for the CPU.
/// Strides count elements and may be zero (inputs) or negative. Of f4e2m1, two of which share a
/// byte, the last dimension is even and dense and the other strides are even. Trivially copyable.
struct Tensor {
  void* data = nullptr;
  DType dtype = DType::f32;
  std::int32_t rank = 0; ///< 0 (one element) to kMaxRank
  std::int64_t shape[kMaxRank] = {};
  std::int64_t strides[kMaxRank] = {};

  Tensor() = default;
  /// Contiguous, row-major. A rank above kMaxRank is recorded and refused at launch.
  Tensor(void* pointer, DType type, std::initializer_list<std::int64_t> dims) noexcept
      : Tensor(pointer, type, std::span<const std::int64_t>(dims.begin(), dims.size())) {}
  Tensor(void* pointer, DType type, std::span<const std::int64_t> dims) noexcept
      : data(pointer), dtype(type), rank(static_cast<std::int32_t>(dims.size())) {
    // Unsigned, so that absurd shapes wrap here and are refused at launch.
    std::uint64_t stride = 1;
    for (int i = rank <= kMaxRank ? rank - 1 : -1; i >= 0; --i) {
      shape[i] = dims[static_cast<std::size_t>(i)];
      strides[i] = static_cast<std::int64_t>(stride);
      stride *= static_cast<std::uint64_t>(shape[i]);
    }
  }
  Tensor(void* pointer, DType type, std::initializer_list<std::int64_t> dims,
         std::initializer_list<std::int64_t> element_strides) noexcept
      : Tensor(pointer, type, std::span<const std::int64_t>(dims.begin(), dims.size())) {
    if (element_strides.size() != dims.size())
      rank = kMaxRank + 1;
    else if (rank <= kMaxRank)
      for (int i = 0; i < rank; ++i)
        strides[i] = element_strides.begin()[i];
  }
};

/// One launch argument: a tensor, or the value of a run-time scalar. A scalar is converted to its
/// parameter's type; a value that does not fit an integer parameter is an error. Holds the view,
/// not the memory. Trivially copyable.
class Arg {
public:
  enum class Kind : std::uint8_t { tensor, real, integer };

  Arg(const Tensor& value) noexcept : kind_(Kind::tensor), tensor_(value) {}
  Arg(double value) noexcept : kind_(Kind::real), real_(value) {}
  Arg(float value) noexcept : kind_(Kind::real), real_(widened(value)) {}
  Arg(int value) noexcept : kind_(Kind::integer), integer_(value) {}
  Arg(std::int64_t value) noexcept : kind_(Kind::integer), integer_(value) {}

  Kind kind() const noexcept { return kind_; }
  const Tensor& tensor() const noexcept { return tensor_; }
  double real() const noexcept { return real_; }
  std::int64_t integer() const noexcept { return integer_; }

private:
  /// `value` as a double, also in a thread that flushes subnormals: those are converted in
  /// integers.
  static double widened(float value) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t fraction = bits & 0x7fffff;
    if ((bits & 0x7f800000) != 0 || fraction == 0)
      return value;
    const int shift = std::countl_zero(fraction) - 8; // brings the leading bit to bit 23
    const auto exponent = static_cast<std::uint64_t>(1023 - 126 - shift);
    const std::uint64_t rest = (std::uint64_t{fraction} << shift) & 0x7fffff;
    return std::bit_cast<double>(std::uint64_t{bits >> 31} << 63 | exponent << 52 | rest << 29);
  }

  Kind kind_;
  union {
    Tensor tensor_;
    double real_;
    std::int64_t integer_;
  };
};

/// An argument by the name of its parameter: {"gate", gate}, {"eps", 1e-6}.
struct NamedArg {
  std::string_view name; ///< valid as long as the text passed
  Arg value;
  NamedArg(std::string_view parameter, const Arg& argument) noexcept
      : name(parameter), value(argument) {}
};

/// What a call passes for one parameter, without memory: for preparing calls to come. Where a
/// scalar stands any spec will do.
struct ArgSpec {
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides; ///< in elements; empty: contiguous, row-major
  std::int64_t alignment = 16;       ///< of the first element, in bytes: a power of two
  int same_as = -1;                  ///< the argument whose view this is, as in place; -1: none
};

/// What a launch may be given beside its arguments.
struct LaunchOptions {
  /// Device memory of at least Kernel::workspace_bytes, aligned to 256 bytes, that nothing else
  /// uses until the launch is done; null: the library takes memory in the order of the stream.
  void* workspace = nullptr;
  std::size_t workspace_bytes = 0; ///< of the memory at `workspace`
  /// Counts of rows in memory of the device, i32 or i64, contiguous: one, as [] or [1], for the
  /// rows of the call in their order over all leading dimensions; or one for each batch of a
  /// [batches, rows, columns] call (or of more dimensions before). Rows at or beyond the count are
  /// neither read nor written, and add nothing to sums over rows. A count below 0 is 0, one beyond
  /// the rows that there are is their number. On CUDA the device reads counts when the launch runs,
  /// so a graph serves whatever they are then; the CPU reads them before the launch returns. They
  /// are the caller's, and must stay until the launch is done.
  std::optional<Tensor> valid_rows = {};
};

/// A CUDA stream, not owned: a `CUstream` and a `cudaStream_t` convert. Null is the default stream
/// of the device's context. The CPU has no streams: it ignores the handle and launches
/// synchronously.
struct Stream {
  void* handle = nullptr;
  Stream() = default;
  Stream(std::nullptr_t) noexcept {}
  Stream(CUstream_st* stream) noexcept : handle(stream) {}
  explicit Stream(void* stream) noexcept : handle(stream) {}
};

/// What a parameter is to a call.
enum class Role : std::uint8_t { in, out, inout, scalar };

/// How many values a tensor parameter holds: one for each element, for each row, for each column,
/// for each group of neighbouring columns of a row, or of neighbouring rows of a column, or one in
/// all. A table has as many as it has.
enum class Space : std::uint8_t { element, row, column, group, tensor, table, column_group };

/// One parameter of a kernel, in the order of its text. Strings live as long as the kernel.
struct Parameter {
  std::string_view name;
  Role role = Role::in;
  DType dtype = DType::f32;
  Space space = Space::element; ///< of tensors; element otherwise
  std::int64_t group = 0;       ///< Space::group: columns of a group; Space::column_group: rows
};

struct KernelOptions {
  std::optional<MathMode> math;  ///< default: what the kernel text says, else accurate
  std::string schedule;          ///< "threads=128 bytes=16 ..."; empty: tuned, else the default
  std::string file = "<kernel>"; ///< name of the text in diagnostics
};

enum class DeviceKind : std::uint8_t { cpu, cuda };

struct DeviceInfo {
  DeviceKind kind = DeviceKind::cpu;
  int index = 0;         ///< CUDA ordinal; 0 for the CPU
  std::string id;        ///< "cuda:0", "cpu": what Device::open takes
  std::string name;      ///< "NVIDIA H200", "AMD EPYC ..."
  std::string target;    ///< "sm_90", "x86-64 znver5"
  int compute_units = 0; ///< SMs, or hardware threads this process may use
  std::int64_t memory_bytes = 0;
  std::int64_t cache_bytes = 0;     ///< last-level cache
  double peak_bytes_per_second = 0; ///< from the memory clock and bus width; 0 if not known
  int driver_version = 0;           ///< 13000 is CUDA 13.0; 0 for the CPU
};

class Device;

/// Device memory that is freed with the object; ordinary memory on the CPU (64-byte aligned).
class SWAGE_EXPORT Buffer {
public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer();

  void* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  /// Synchronous copies: on return the bytes are there for every stream. Throw
  /// Error(invalid_argument) past the end, Error(driver) on failure.
  void write(const void* from, std::size_t bytes, std::size_t offset = 0);
  void read(void* to, std::size_t bytes, std::size_t offset = 0) const;

private:
  friend class Device;
  void* data_ = nullptr;
  std::size_t size_ = 0;
  std::shared_ptr<void> owner_; ///< keeps the device's context alive
};

/// How Kernel::tune searches.
struct TuneOptions {
  /// Seconds to spend on measuring, all candidates being compiled before; 0: 2 on the CPU; on CUDA
  /// 0.4, or what 0.48 leave after compiling as many as 0.3 are enough for. Steps of a kernel share
  /// a budget that is given; 0 is for each of them.
  double budget_seconds = 0;
  bool force = false; ///< measure however noisy the device is
  bool record = true; ///< keep the result in the tuning records, for this and other processes
};

/// What Kernel::tune found. Times are of one launch: on a GPU the mean without odd samples, on the
/// CPU the median.
struct TuneResult {
  std::string schedule;         ///< the winner, as KernelOptions::schedule takes it
  std::string default_schedule; ///< what launches use without tuning
  double seconds = 0;
  double default_seconds = 0;
  double spread = 0;           ///< of its times: between the quartiles over the median
  std::int64_t bytes = 0;      ///< that one launch reads and writes
  double bytes_per_second = 0; ///< that memory gave in the same run; 0 if not known
  int candidates = 0;          ///< schedules measured
  bool improved = false;       ///< the winner beat the default by more than the noise
  // Of a kernel that is computed in steps: the schedules of the step that goes over the rows first,
  // the sum of all times, and whether any step gained.
};

/// A kernel bound to a device. A cheap handle: copies share the compiled code. Every member may be
/// called from many threads at once. One that was made by default or moved from is empty: it is
/// false, has no name, and everything else throws Error(invalid_argument).
class SWAGE_EXPORT Kernel {
public:
  Kernel() = default;
  explicit operator bool() const noexcept { return state_ != nullptr; }

  /// Runs the kernel on `arguments`, in the order of its parameters (`const` ones left out).
  /// Shapes must agree after [row] and [col] broadcasts; an output may equal an input of its space,
  /// but not overlap one in part. Asynchronous on CUDA, never synchronises; compiles on first use
  /// of a call shape. Zero elements do nothing. Throws Error: invalid_argument (says which argument
  /// and why), driver, not_prepared (stream is capturing and code would have to be compiled).
  void launch(Stream stream, std::initializer_list<Arg> arguments) const {
    launch(stream, std::span<const Arg>(arguments.begin(), arguments.size()));
  }
  void launch(Stream stream, std::span<const Arg> arguments) const;
  /// The same, each argument by the name of its parameter, in any order.
  void launch(Stream stream, std::initializer_list<NamedArg> arguments) const {
    launch(stream, std::span<const NamedArg>(arguments.begin(), arguments.size()));
  }
  void launch(Stream stream, std::span<const NamedArg> arguments) const;

  /// The same with options. Throws Error(invalid_argument) for a workspace that is too small, and
  /// for valid_rows of another type, shape or place, that share memory with an output, or of a call
  /// without rows.
  void launch(Stream stream, std::span<const Arg> arguments, const LaunchOptions& options) const;

  /// Bytes of device memory that launching `arguments` may need beside them: for sums over rows,
  /// whose parts wait there for a second launch, and for what the steps of a kernel leave each
  /// other (docs/language.md, "Where it runs"). A function of the shape alone, whatever the
  /// schedule; 0 for kernels with neither, and on the CPU. Compiles nothing.
  std::size_t workspace_bytes(std::span<const Arg> arguments) const;
  std::size_t workspace_bytes(std::initializer_list<Arg> arguments) const {
    return workspace_bytes(std::span<const Arg>(arguments.begin(), arguments.size()));
  }
  /// The same for calls whose memory is not there yet.
  std::size_t workspace_bytes(std::span<const ArgSpec> arguments) const;

  /// Compiles and loads whatever launching `arguments` would need; touches no tensor data.
  void prepare(std::initializer_list<Arg> arguments) const {
    prepare(std::span<const Arg>(arguments.begin(), arguments.size()));
  }
  void prepare(std::span<const Arg> arguments) const;
  void prepare(std::initializer_list<NamedArg> arguments) const {
    prepare(std::span<const NamedArg>(arguments.begin(), arguments.size()));
  }
  void prepare(std::span<const NamedArg> arguments) const;
  /// The same for calls whose memory is not there yet: shapes, types and alignments say all that
  /// compiling needs. Tensors that are not `same_as` another share no memory.
  void prepare(std::span<const ArgSpec> arguments) const;
  /// The same for launches with options; beside specs nobody looks at the addresses in them.
  void prepare(std::span<const Arg> arguments, const LaunchOptions& options) const;
  void prepare(std::span<const ArgSpec> arguments, const LaunchOptions& options) const;

  /// Finds the fastest schedule for calls like this one by measurement, on buffers of its own: the
  /// tensors are not touched. Launches of this kernel use it from then on, and those of every
  /// kernel with the same text that first meets such a call, in this process and, through the
  /// tuning records, in others. Takes the budget and the time to compile; synchronises. One search
  /// runs in a process at a time. Not for a thread whose stream is capturing. Throws Error:
  /// invalid_argument as launch does, for a call without elements and for a kernel made with a
  /// schedule; unsupported when other work keeps the device too noisy; driver; out_of_memory; io
  /// when the record could not be written (the result holds in this process then).
  TuneResult tune(std::initializer_list<Arg> arguments, const TuneOptions& options = {}) const {
    return tune(std::span<const Arg>(arguments.begin(), arguments.size()), options);
  }
  TuneResult tune(std::span<const Arg> arguments, const TuneOptions& options = {}) const;

  const std::string& name() const noexcept;
  /// In the order of arguments; `const` parameters, which are bound, are not among them.
  std::vector<Parameter> parameters() const;
  /// The `const` parameters, in the order of the text.
  std::vector<Constant> constants() const;
  /// The bound kernel as language text.
  std::string text() const;
  Device device() const;

private:
  friend class Device;
  friend struct KernelAccess;
  explicit Kernel(std::shared_ptr<struct KernelState> state) noexcept : state_(std::move(state)) {}
  std::shared_ptr<struct KernelState> state_;
};

/// A GPU or the CPU. A cheap handle; devices live as long as the process. One that was made by
/// default or moved from is empty: it is false, describes nothing, and everything else throws
/// Error(invalid_argument).
class SWAGE_EXPORT Device {
public:
  Device() = default;
  explicit operator bool() const noexcept { return state_ != nullptr; }

  /// `id`: "cuda:N", "cpu", or "" for $SWAGE_DEVICE, else the first CUDA GPU, else the CPU.
  /// Throws Error(no_device) saying what was looked for and found.
  static Device open(std::string_view id = {});
  /// Every CUDA GPU that the driver lists, then the CPU. Creates no context.
  static std::vector<Device> all();

  const DeviceInfo& info() const noexcept;

  /// Parses and binds; compiles nothing yet. `name` may be empty if the text declares one kernel.
  /// Throws Error(invalid_kernel) with every diagnostic.
  Kernel kernel(std::string_view source, std::string_view name,
                const std::vector<Binding>& bindings = {}, const KernelOptions& options = {}) const;
  /// A kernel of the catalogue by name ("swiglu").
  Kernel catalogue_kernel(std::string_view name, const std::vector<Binding>& bindings = {},
                          const KernelOptions& options = {}) const;

  /// Throws Error(out_of_memory). Zero bytes give a buffer with a null pointer.
  Buffer allocate(std::size_t bytes) const;
  /// Waits for everything launched on this device.
  void synchronize() const;

private:
  friend class Kernel;
  friend struct DeviceAccess;
  explicit Device(std::shared_ptr<struct DeviceState> state) noexcept : state_(std::move(state)) {}
  std::shared_ptr<struct DeviceState> state_;
};

/// Takes the place of the environment, see docs/settings.md.
struct Settings {
  /// Settings by the names of their environment variables: {"SWAGE_CACHE_DIR",
  /// "/var/cache/engine"}. Those left out keep to the environment.
  std::vector<std::pair<std::string, std::string>> values;
  /// Receives every line of the log, as many as SWAGE_LOG asks for, instead of standard error: one
  /// line without its end, from any thread, several at once. What it throws is dropped.
  std::function<void(std::string_view line)> log;
};
/// Once, before anything else of the library is used. Throws Error(invalid_argument) for a name
/// that is no setting, and when it comes too late or a second time.
SWAGE_EXPORT void configure(Settings settings);

/// What the kernel caches of this process have done so far. A request is the first launch of a
/// kernel handle for a kind of call; later launches look nothing up.
struct CacheStatistics {
  std::uint64_t hits_memory = 0; ///< loaded before, by this or another kernel handle
  std::uint64_t hits_disk = 0;
  std::uint64_t hits_bundle = 0;
  std::uint64_t misses = 0; ///< compiled
  std::uint64_t publishes = 0;
  std::uint64_t publish_failures = 0;
  std::uint64_t evictions = 0;
  std::uint64_t defects = 0; ///< entries that could not be read or were not what they should be
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t functions_loaded = 0; ///< now in memory
  std::uint64_t bytes_loaded = 0;     ///< of their code
};
SWAGE_EXPORT CacheStatistics cache_statistics() noexcept;

/// Unloads the code of every device that no kernel handle refers to; gives how many functions went.
/// Code of the CPU is bounded by itself. Code of a GPU stays loaded until this is called, for the
/// driver cannot tell whether a launch in flight or a graph still runs it. So the caller vouches:
/// nothing that destroyed kernels launched is in flight, and no graph that captured such a launch
/// is launched again. Throws std::bad_alloc alone.
SWAGE_EXPORT std::size_t unload_unused();

/// "0.1.0".
SWAGE_EXPORT std::string_view version() noexcept;

} // namespace swage
