// parse_fuzz_test.cpp -- whatever the bytes, a text parses or is refused as an invalid kernel.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "tests/ir/parse_support.hpp"
#include "tests/support/catch.hpp"

namespace swage::ir::testing {

namespace {

std::vector<std::string> seeds() {
  std::vector<std::string> result;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(SWAGE_SOURCE_DIR) + "/kernels"))
    if (entry.path().extension() == ".swg") {
      std::ifstream file(entry.path(), std::ios::binary);
      std::stringstream text;
      text << file.rdbuf();
      result.push_back(text.str());
    }
  std::sort(result.begin(), result.end()); // the order of a directory is the file system's
  result.push_back("@triton kernel k<T>(x: in T [row], n: i32, const c: f32 = 2.5 * -1e-3, "
                   "y: inout T) { let a = n < 3 && !(x >= c) ? f32(n) : x == 0x1.8p3 ? 1 : nan; "
                   "y = clamp(a, -inf, T(y)) / 2; } kernel g = grad k(x -> y);");
  return result;
}

class Mutator {
public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  std::string mutate(std::string text) {
    for (std::size_t edits = 1 + below(4); edits > 0; --edits)
      edit(text);
    return text;
  }

private:
  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : random_() % bound; }

  void edit(std::string& text) {
    static const std::string_view pieces[] = {"(",
                                              ")",
                                              "{",
                                              "}",
                                              "[",
                                              "]",
                                              ";",
                                              ",",
                                              ":",
                                              "=",
                                              "<",
                                              ">",
                                              "?",
                                              "-",
                                              "+",
                                              "@",
                                              "!",
                                              "&&",
                                              "0x",
                                              "1e",
                                              "99999999999999999999",
                                              "kernel ",
                                              "fn ",
                                              "let ",
                                              "in ",
                                              "out ",
                                              "T(",
                                              "bf16(",
                                              "\xff",
                                              "\xc3",
                                              "//",
                                              "\n",
                                              "grad ",
                                              "const ",
                                              "nan",
                                              "1/0",
                                              "9223372036854775808",
                                              "\t",
                                              "%",
                                              "x",
                                              "inout "};
    const std::size_t at = below(text.size() + 1);
    const std::size_t length = std::min(below(12), text.size() - at);
    switch (below(6)) {
    case 0: text.insert(at, pieces[below(std::size(pieces))]); break;
    case 1: text.erase(at, length); break;
    case 2: text.insert(below(text.size() + 1), text.substr(at, length)); break;
    case 3: text.replace(at, length, pieces[below(std::size(pieces))]); break;
    case 4:
      if (at < text.size())
        text[at] = static_cast<char>(below(256));
      break;
    default:
      if (below(8) == 0)
        text.resize(at);
      break;
    }
  }

  std::mt19937_64 random_;
};

/// Whether `run` returned or refused the text; anything else fails the test.
template <typename Run>
void must_end_well(const std::string& text, Run&& run) {
  try {
    run();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::invalid_kernel || std::string_view(error.what()).empty()) {
      INFO(text);
      INFO(error.what());
      FAIL("refused, but not as an invalid kernel");
    }
  }
}

} // namespace

TEST_CASE("mutated catalogue texts parse or are refused, and never crash") {
  Mutator mutator(20240611);
  const auto texts = seeds();
  for (int i = 0; i < 4000; ++i) {
    const std::string text = mutator.mutate(texts[static_cast<std::size_t>(i) % texts.size()]);
    std::vector<KernelDeclaration> list;
    must_end_well(text, [&] { list = list_kernels({text}); });
    must_end_well(text, [&] { parse_kernel({text}, "", {{"T", f32}}); });
    must_end_well(text, [&] { parse_kernel({text}, "swiglu_backward_inplace", {{"T", bf16}}); });
    for (const KernelDeclaration& kernel : list)
      must_end_well(text, [&] { parse_kernel({text}, kernel.name, {{"T", f64}}); });
  }
}

TEST_CASE("random bytes and random tokens parse or are refused, and never crash") {
  std::mt19937_64 random(7);
  const std::string_view words[] = {"kernel", "fn",  "k", "(", ")", "{",   "}",   "x", ":",
                                    "in",     "out", "=", ";", "1", "1.5", "+",   "<", "?",
                                    "f32",    ",",   "T", "!", "-", "let", "inf", "@", "fast"};
  for (int i = 0; i < 2000; ++i) {
    std::string text = i % 2 ? "kernel k<T>(x: in T, y: out T) { y = " : "";
    for (std::size_t n = random() % 40; n > 0; --n)
      if (i % 4 == 0)
        text += static_cast<char>(random());
      else
        text += std::string(words[random() % std::size(words)]) + " ";
    must_end_well(text, [&] { list_kernels({text}); });
    must_end_well(text, [&] { parse_kernel({text}, "k", {{"T", f16}}); });
  }
}

} // namespace swage::ir::testing
