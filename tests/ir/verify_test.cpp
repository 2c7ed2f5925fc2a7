// verify_test.cpp -- each invariant of a kernel, broken once.
#include <bit>
#include <functional>
#include <limits>

#include "ir/passes.hpp"
#include "swage/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/random_kernel.hpp"

namespace swage::ir {

namespace {

struct Parts {
  std::string name;
  std::vector<Param> params;
  std::vector<Node> nodes;
  std::vector<Store> stores;
};

/// y = bf16(a) * a + s, z = -7. Nodes: 0 load a, 1 cast, 2 mul, 3 scalar s, 4 add, 5 constant.
Parts whole() {
  KernelBuilder builder("k", MathMode::accurate,
                        {{"a", ParamKind::in, f32},
                         {"y", ParamKind::out, f16},
                         {"z", ParamKind::inout, i8},
                         {"s", ParamKind::scalar, f32}});
  const NodeId a = builder.load(0);
  const NodeId product = builder.make(Op::mul, {builder.cast(bf16, a), a});
  builder.store(1, builder.make(Op::add, {product, builder.scalar(3)}));
  builder.store(2, builder.integer(i32, -7));
  const Kernel kernel = std::move(builder).build();
  return {kernel.name(),
          {kernel.params().begin(), kernel.params().end()},
          {kernel.nodes().begin(), kernel.nodes().end()},
          {kernel.stores().begin(), kernel.stores().end()}};
}

/// The message of `verify` on the kernel that `damage` makes of a whole one.
std::string message(const std::function<void(Parts&)>& damage) {
  Parts parts = whole();
  damage(parts);
  try {
    verify(parts.name, parts.params, parts.nodes, parts.stores);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::internal);
    return error.what();
  }
  return "";
}

#ifdef SWAGE_CATCH2_V3
using Catch::Matchers::ContainsSubstring;
#else
auto ContainsSubstring(const std::string& part) {
  return Catch::Matchers::Contains(part);
}
#endif

} // namespace

TEST_CASE("a whole kernel passes the verifier") {
  CHECK(message([](Parts&) {}).empty());
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    test::RandomKernelOptions options;
    options.inouts = seed % 3;
    CHECK_NOTHROW(verify(test::random_kernel(seed, options)));
  }
}

TEST_CASE("the verifier names a node with wrong operands") {
  CHECK_THAT(message([](Parts& k) { k.nodes[1].args[0] = 1; }),
             ContainsSubstring("node 1 (cast) has operand 1, expected a node before it"));
  CHECK_THAT(message([](Parts& k) { k.nodes[2].args[1] = 4; }),
             ContainsSubstring("node 2 (mul) has operand 4, expected a node before it"));
  CHECK_THAT(message([](Parts& k) { k.nodes[1].args[1] = 1; }),
             ContainsSubstring("node 1 (cast) has 1 as operand 2, expected 1 operands"));
  CHECK_THAT(message([](Parts& k) { k.nodes[4].op = static_cast<Op>(200); }),
             ContainsSubstring("node 4 has operation number 200"));
}

TEST_CASE("the verifier names a node with a wrong type") {
  CHECK_THAT(message([](Parts& k) { k.nodes[2].type = k.nodes[2].storage = f64; }),
             ContainsSubstring("node 2 (mul) of f32, f32 has type f64, expected f32"));
  CHECK_THAT(message([](Parts& k) { k.nodes[2].type = k.nodes[2].storage = bf16; }),
             ContainsSubstring("node 2 (mul) has type bf16, expected a compute type"));
  CHECK_THAT(message([](Parts& k) { k.nodes[2].storage = bf16; }),
             ContainsSubstring("node 2 (mul) has storage bf16, expected its type f32"));
  CHECK_THAT(message([](Parts& k) { k.nodes[1].storage = i8; }),
             ContainsSubstring("node 1 (cast) to i8 has type f32, expected i32"));
  CHECK_THAT(message([](Parts& k) { k.nodes[4].op = Op::logical_and; }),
             ContainsSubstring("node 4 (logical_and) has operands of type f32, f32"));
  CHECK_THAT(message([](Parts& k) { k.nodes[0].type = k.nodes[0].storage = f64; }),
             ContainsSubstring("node 0 (load) of 'a' has type f64, expected f32"));
}

TEST_CASE("the verifier names a leaf that reads the wrong parameter") {
  CHECK_THAT(message([](Parts& k) { k.nodes[0].param = 9; }),
             ContainsSubstring("node 0 (load) reads parameter 9, expected one of 4"));
  CHECK_THAT(message([](Parts& k) { k.nodes[0].param = 1; }),
             ContainsSubstring("node 0 (load) reads parameter 'y', expected a tensor"));
  CHECK_THAT(message([](Parts& k) { k.nodes[3].param = 0; }),
             ContainsSubstring("node 3 (scalar) reads parameter 'a', expected a scalar"));
}

TEST_CASE("the verifier finds constants outside their type and fields that should be zero") {
  const auto constant = [](double value) {
    return [value](Parts& k) {
      k.nodes[3] = {.op = Op::constant,
                    .space = {Broadcast::per_tensor},
                    .bits = std::bit_cast<std::uint64_t>(value)};
    };
  };
  CHECK_THAT(message(constant(0.1)), ContainsSubstring("node 3 (constant) holds 0.1"));
  CHECK_THAT(message(constant(1e300)), ContainsSubstring("expected a value of f32"));
  CHECK_THAT(message(constant(-std::numeric_limits<double>::quiet_NaN())),
             ContainsSubstring("expected the canonical NaN"));
  CHECK(message(constant(std::numeric_limits<double>::infinity())).empty());
  CHECK_THAT(message([](Parts& k) { k.nodes[5].bits = std::uint64_t{1} << 31; }),
             ContainsSubstring("node 5 (constant) holds 2147483648, expected a value of i32"));
  CHECK_THAT(message([](Parts& k) { k.nodes[2].bits = 1; }),
             ContainsSubstring("holds constant bits"));
  CHECK_THAT(message([](Parts& k) { k.nodes[2].param = 1; }),
             ContainsSubstring("names parameter 1"));
}

TEST_CASE("the verifier finds stores that do not fit the parameters") {
  CHECK_THAT(message([](Parts& k) { k.stores.pop_back(); }),
             ContainsSubstring("parameter 'z' has no store in its place"));
  CHECK_THAT(message([](Parts& k) {
               k.stores.push_back({1, 4});
             }),
             ContainsSubstring("kernel has 3 stores, expected 2"));
  CHECK_THAT(message([](Parts& k) { std::swap(k.stores[0], k.stores[1]); }),
             ContainsSubstring("parameter 'y' has no store in its place"));
  CHECK_THAT(message([](Parts& k) { k.stores[0].node = 50; }),
             ContainsSubstring("store to 'y' takes node 50, expected one of 6"));
  CHECK_THAT(message([](Parts& k) { k.stores[0].node = 5; }),
             ContainsSubstring("store to 'y' takes node 5 (constant) of type i32, expected f32"));
  CHECK_THAT(message([](Parts& k) {
               k.params = {{"a", ParamKind::in, f32}};
               k.nodes.resize(1);
               k.stores.clear();
             }),
             ContainsSubstring("kernel stores nothing"));
}

TEST_CASE("the verifier finds spaces that do not follow from the operands") {
  CHECK_THAT(message([](Parts& k) { k.nodes[2].space = {Broadcast::per_row}; }),
             ContainsSubstring("node 2 (mul) is of space row, expected element"));
  CHECK_THAT(message([](Parts& k) { k.params[1].broadcast = Broadcast::per_row; }),
             ContainsSubstring("store to 'y' takes node 4 (add) of space element, expected row"));
  CHECK_THAT(message([](Parts& k) {
               k.nodes[4] = {.op = Op::group_max, .args = {2, 0, 0}};
             }),
             ContainsSubstring("node 4 (group_max) goes over groups of 0 columns, expected 1 to"));
}

TEST_CASE("the verifier finds parameters that no language text could declare") {
  CHECK_THAT(message([](Parts& k) { k.params[1].name = "a"; }),
             ContainsSubstring("parameter 'a' is declared twice"));
  CHECK_THAT(message([](Parts& k) { k.params[1].name.clear(); }), ContainsSubstring("has 0 bytes"));
  CHECK_THAT(message([](Parts& k) { k.params[3].broadcast = Broadcast::per_row; }),
             ContainsSubstring("parameter 's' is a broadcast, expected of tensors only"));
  CHECK_THAT(message([](Parts& k) { k.params[0].group = 4; }),
             ContainsSubstring("parameter 'a' has groups of 4 columns, expected none"));
  CHECK_THAT(message([](Parts& k) { k.params[0].broadcast = Broadcast::per_group; }),
             ContainsSubstring("parameter 'a' has groups of 0 columns, expected 1 to"));
  CHECK_THAT(message([](Parts& k) { k.params.resize(kMaxParams + 1); }),
             ContainsSubstring("kernel has 65 parameters, expected at most 64"));
  CHECK_THAT(message([](Parts& k) { k.name.clear(); }),
             ContainsSubstring("kernel name '' has 0 bytes"));
}

TEST_CASE("the verifier finds equal, dead and misplaced nodes") {
  CHECK_THAT(message([](Parts& k) { k.nodes[3] = k.nodes[0]; }),
             ContainsSubstring("node 3 (load) equals node 0, expected equal nodes to be one"));
  CHECK_THAT(message([](Parts& k) {
               k.nodes.push_back({.op = Op::neg, .args = {4, 0, 0}});
             }),
             ContainsSubstring("1 nodes are used by no store"));
  CHECK_THAT(message([](Parts& k) {
               std::swap(k.nodes[1], k.nodes[3]);
               k.nodes[4].args[1] = 1;
               k.nodes[2].args[0] = 1;
               std::swap(k.nodes[2], k.nodes[3]);
               k.nodes[2].args[0] = 0;
               k.nodes[3].args = {2, 0, 0};
               k.nodes[4].args = {3, 1, 0};
             }),
             ContainsSubstring("is out of canonical order"));
  CHECK_THAT(message([](Parts& k) { k.nodes.resize(kMaxNodes + 1); }),
             ContainsSubstring("nodes, expected at most 100000"));
}

} // namespace swage::ir
