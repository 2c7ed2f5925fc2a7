// random_quantiser.hpp -- kernels that scale a product by what a maximum along the row says and
// round it to few bits: the shape of quantised activations, which operations drawn one by one
// hardly ever make, and of which threads keep the product, or the bits that it is made of.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "tests/support/random_kernel.hpp"

namespace swage::test {

struct RandomQuantiser {
  std::string text;
  bool packed = false; ///< stores two elements a byte
};

/// Its groups have `group` columns. No bit of it depends on an approximation.
inline RandomQuantiser random_quantiser(Random& random, std::uint32_t group) {
  using Names = std::string_view;
  constexpr std::array<Names, 6> kInputs = {"bf16", "bf16", "f16", "f16", "f32", "f8e4m3"};
  const std::array inputs = {random.pick(kInputs), random.pick(kInputs), random.pick(kInputs)};
  const auto codes = random.pick(std::array<Names, 4>{"f8e4m3", "f8e5m2", "f4e2m1", "f4e2m1"});
  const auto rounded = random.pick(std::array<Names, 4>{"", "", "bf16", "f16"});
  const auto product = random.pick(std::array<Names, 8>{
      "x * z", "x * z", "x * z", "x * x", "-(x * z)", "x * z * w", "max(x * z, 0)", "x * z + x"});
  const bool by_group = random.one_in(2);
  const auto reduced = [&](Names row, Names by, Names of) {
    return by_group ? fmt::format("{}({}, {})", by, of, group) : fmt::format("{}({})", row, of);
  };
  const std::string most = reduced("row_max", "group_max", "abs(p)");
  const std::string space = by_group ? fmt::format("group {}", group) : "row";
  std::string body = fmt::format("  let p = {}({});\n  let m = {};\n", rounded, product, most);
  std::string scaled = "p";
  if (!random.one_in(3)) {
    // By powers of two, so exactly.
    body += random.one_in(2) ? "  let t = m > 6.0 ? 0.125 : m < 1.5 ? 4.0 : 1.0;\n"
                             : "  let t = m > 0.75 ? -0.5 : 2.0;\n";
    scaled = random.one_in(2) ? "p * t" : "clamp(p * t, -6, 6)";
  }
  if (random.one_in(3))
    scaled = fmt::format("{} > 0 ? {} : x",
                         reduced("row_min", "group_min", random.one_in(2) ? "p" : "x"), scaled);
  const bool widens = random.one_in(3); // as what reads the codes would
  body += widens ? fmt::format("  y = f32({}({})) * m;\n", codes, scaled)
                 : fmt::format("  y = {}({});\n", codes, scaled);
  std::string params = fmt::format("x: in {}, z: in {}, w: in {} [col], y: out {}", inputs[0],
                                   inputs[1], inputs[2], widens ? "f32" : codes);
  if (scaled == "p" || random.one_in(2)) {
    params += fmt::format(", scale: out f32 [{}]", space);
    body += "  scale = m;\n";
  }
  if (random.one_in(3)) {
    params += ", h: out bf16";
    body += "  h = p;\n";
  }
  return {fmt::format("kernel quantiser({}) {{\n{}}}\n", params, body),
          !widens && codes == "f4e2m1"};
}

} // namespace swage::test
