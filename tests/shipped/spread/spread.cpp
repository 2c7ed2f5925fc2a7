// spread.cpp -- a spread of embedded kernels over types and layouts on the CPU, on inputs that are
// the same on every machine: one line a case with the digest of its results. Two machines that
// print the same compute the same bits. Each case runs again in a foreign floating-point
// environment, which must change neither the results nor be changed. spread FOLDER-OF-KERNELS
// [FOLDER for the results' bytes]
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <swage/swage.hpp>

#include "tests/shipped/spread/values.hpp"
#include "tests/support/foreign_environment.hpp"

using namespace swage;

namespace {

int failures = 0;
std::size_t cases = 0, elements = 0;
std::string dump_folder;

/// What the tensors of a call look like. Rows are `pitch` columns apart, columns `step` elements.
struct Layout {
  const char* name;
  std::int64_t rows, columns, pitch, step;
};

constexpr Layout kFlat[] = {{"one", 1, 1, 1, 1},
                            {"flat7", 1, 7, 7, 1},
                            {"flat4099", 1, 4099, 4099, 1},
                            {"narrow", 333, 3, 3, 1}};
constexpr Layout kRows[] = {{"rows", 7, 256, 256, 1},        {"halves", 5, 512, 1024, 1},
                            {"interleaved", 9, 128, 256, 2}, {"thirds", 6, 128, 400, 3},
                            {"narrow16", 301, 16, 16, 1},    {"wide", 3, 6144, 6144, 1},
                            {"misaligned", 11, 128, 131, 1}};

constexpr std::int64_t kTable = 5; // numbers that a table has

/// One argument: memory with room around what is written, so that a store beside it shows.
struct Argument {
  Parameter parameter;
  std::vector<std::byte> bytes;
  std::size_t from = 0;
  Tensor tensor;

  Argument(const Parameter& of, const Layout& at) : parameter(of) {
    const std::int64_t groups = of.space == Space::group ? at.columns / of.group : 0;
    std::int64_t count = 1;
    switch (of.space) {
    case Space::element:
      tensor = Tensor(nullptr, of.dtype, {at.rows, at.columns}, {at.pitch, at.step});
      count = at.rows * at.pitch;
      break;
    case Space::row: tensor = Tensor(nullptr, of.dtype, {count = at.rows}); break;
    case Space::column: tensor = Tensor(nullptr, of.dtype, {count = at.columns}); break;
    case Space::group:
      tensor = Tensor(nullptr, of.dtype, {at.rows, groups});
      count = at.rows * groups;
      break;
    case Space::column_group:
      tensor = Tensor(nullptr, of.dtype, {at.rows / of.group, at.columns});
      count = at.rows / of.group * at.columns;
      break;
    case Space::table: tensor = Tensor(nullptr, of.dtype, {count = kTable}); break;
    default: tensor = Tensor(nullptr, of.dtype, {}); break;
    }
    const std::size_t size = static_cast<std::size_t>(size_of(of.dtype));
    from = 16 * size;
    bytes.assign(from + (static_cast<std::size_t>(count) + 32) * size, std::byte{0x25});
    tensor.data = bytes.data() + from;
  }
  bool is_written() const { return parameter.role == Role::out || parameter.role == Role::inout; }

  /// Reads are filled; rows whose number ends in 3 hold every kind of number, the others ordinary
  /// ones.
  void fill(std::uint64_t seed, const Layout& at) {
    if (parameter.role == Role::out)
      return;
    const std::size_t size = static_cast<std::size_t>(size_of(parameter.dtype));
    const std::size_t count = (bytes.size() - from) / size - 32;
    for (std::size_t i = 0; i < count; ++i) {
      const std::int64_t row =
          parameter.space == Space::element ? static_cast<std::int64_t>(i) / at.pitch : 0;
      std::uint64_t bits = test::value_bits(parameter.dtype, seed, i, row % 10 == 3);
      if (parameter.space == Space::row && parameter.dtype == i64) // the column that is meant
        bits %= static_cast<std::uint64_t>(at.columns);
      if (parameter.space == Space::row && parameter.dtype == i32) // of a table, or of no row
        bits = static_cast<std::uint32_t>(bits % (kTable + 2)) - 2U;
      std::memcpy(bytes.data() + from + i * size, &bits, size);
    }
  }
};

std::vector<Argument> make_arguments(const Kernel& kernel, const Layout& at, std::uint64_t seed) {
  std::vector<Argument> arguments;
  for (const Parameter& parameter : kernel.parameters()) {
    arguments.emplace_back(parameter, at);
    arguments.back().fill(seed + arguments.size(), at);
  }
  for (Argument& argument : arguments) // the vector has moved them
    argument.tensor.data = argument.bytes.data() + argument.from;
  return arguments;
}

void launch(const Kernel& kernel, std::vector<Argument>& arguments) {
  std::vector<Arg> list;
  for (const Argument& argument : arguments)
    if (argument.parameter.role == Role::scalar)
      list.emplace_back(1.5);
    else
      list.emplace_back(argument.tensor);
  kernel.launch(nullptr, list);
}

void run_case(const Kernel& kernel, const std::string& name, const Layout& at) {
  const std::uint64_t seed = test::mixed(cases++ * 977);
  std::vector<Argument> plain = make_arguments(kernel, at, seed);
  std::vector<Argument> foreign = make_arguments(kernel, at, seed);
  launch(kernel, plain);
  {
    const test::ForeignEnvironment environment("upward,ftz");
    const std::uint64_t before = test::float_control();
    launch(kernel, foreign);
    if (test::float_control() != before) {
      std::fprintf(stderr, "%s %s: the caller's environment is changed\n", name.c_str(), at.name);
      ++failures;
    }
  }
  test::Digest digest;
  for (std::size_t a = 0; a < plain.size(); ++a) {
    if (!plain[a].is_written())
      continue;
    test::make_nans_equal(plain[a].parameter.dtype, plain[a].bytes);
    test::make_nans_equal(plain[a].parameter.dtype, foreign[a].bytes);
    if (plain[a].bytes != foreign[a].bytes) {
      std::fprintf(stderr, "%s %s: other results in a foreign environment\n", name.c_str(),
                   at.name);
      ++failures;
    }
    digest.add(plain[a].bytes);
    elements += plain[a].bytes.size() / static_cast<std::size_t>(size_of(plain[a].parameter.dtype));
    if (!dump_folder.empty())
      std::ofstream(dump_folder + "/" + name + " " + at.name + " " +
                        std::string(plain[a].parameter.name),
                    std::ios::binary)
          .write(reinterpret_cast<const char*>(plain[a].bytes.data()),
                 static_cast<std::streamsize>(plain[a].bytes.size()));
  }
  std::printf("%s %s %016" PRIx64 "\n", name.c_str(), at.name, digest.value());
}

/// Kernels whose tensors have groups want their columns, or rows, in whole ones; of packed ones two
/// columns share a byte.
bool takes(const Kernel& kernel, const Layout& at) {
  const bool pairs = at.columns % 2 == 0 && at.pitch % 2 == 0 && at.step == 1;
  for (const Parameter& parameter : kernel.parameters())
    if ((is_packed(parameter.dtype) && !pairs) ||
        (parameter.space == Space::group && at.columns % parameter.group != 0) ||
        (parameter.space == Space::column_group && at.rows % parameter.group != 0))
      return false;
  return true;
}

void run_kernel(const Kernel& kernel, const std::string& name) {
  for (const Layout& at : kFlat)
    if (takes(kernel, at))
      run_case(kernel, name, at);
  for (const Layout& at : kRows)
    if (takes(kernel, at))
      run_case(kernel, name, at);
}

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Spread {
  Device device = Device::open("cpu");
  std::string functions, kernels;

  void all(const char* kernel, const std::vector<DType>& types,
           const std::vector<std::vector<Binding>>& more = {{}}) const {
    for (const DType type : types)
      for (const std::vector<Binding>& others : more) {
        std::vector<Binding> bindings = others;
        std::string name = kernel;
        for (const Binding& other : others)
          if (const auto* of = std::get_if<DType>(&other.value))
            name += "." + std::string(name_of(*of));
        bindings.emplace_back("T", type);
        run_kernel(device.catalogue_kernel(kernel, bindings),
                   name + "." + std::string(name_of(type)));
      }
  }
  void own(const std::string& text, const char* kernel, const std::vector<DType>& types) const {
    for (const DType type : types)
      run_kernel(device.kernel(text, kernel, {{"T", type}}),
                 std::string(kernel) + "." + std::string(name_of(type)));
  }
};

void run(const std::string& folder) {
  const Spread spread{.functions = text_of(folder + "/functions.swg"),
                      .kernels = text_of(folder + "/kernels.swg")};
  const std::vector<DType> floats = {f32, bf16, f16};
  for (const char* name :
       {"swiglu", "swiglu_backward", "swiglu_backward_inplace", "gelu_backward", "rms_norm",
        "rms_norm_backward", "layer_norm", "softmax", "softmax_grad", "log_softmax", "l2_norm"})
    spread.all(name, floats);
  for (const char* name : {"swiglu_quantised_row", "swiglu_quantised_group"})
    spread.all(name, floats, {{{"Q", f8e4m3}}, {{"Q", f8e5m2}}});
  spread.all("swiglu_quantised_group_e8m0", floats, {{{"Q", f8e4m3}}});
  spread.all("cross_entropy", floats, {{{"L", f32}}});
  for (const char* name : {"swiglu_int8_row", "swiglu_mxfp4"})
    spread.all(name, floats);
  for (const char* name : {"exponentials", "logarithms", "circles", "powers", "jumps"})
    spread.own(spread.functions, name, {f32, bf16, f16, f64});
  for (const char* name : {"column_sums", "row_sums", "tiles", "skipped_rows", "skipped_tiles"})
    spread.own(spread.kernels, name, floats);
  for (const char* name : {"words", "longs", "bytes", "narrowed", "widened", "integer_sums"})
    run_kernel(spread.device.kernel(spread.kernels, name), name);
}

} // namespace

int main(int count, char** arguments) {
  if (count < 2)
    return 2;
  if (count > 2)
    dump_folder = arguments[2];
  try {
    run(arguments[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "spread: %s\n", error.what());
    return 1;
  }
  std::printf("%zu cases, %zu elements\n", cases, elements);
  return failures == 0 ? 0 : 1;
}
