// planted_faults_test.cpp -- verification finds faults that are planted in what a device computes.
//
// Machine faults are planted in PTX by the emulated driver's assembler; faults of the graph by
// running another kernel than the one that the results are held to. Inputs are the defaults.
#include "tests/support/catch.hpp"

#include "ir/source.hpp"
#include "runtime/verify/compare.hpp"
#include "swage/swage.hpp"
#include "tests/cli/subprocess.hpp"

using namespace swage;
using namespace swage::verify;

namespace {

struct MachineFault {
  const char* what;
  const char* kernel;
  const char* type;
  const char* edit; ///< see SWAGE_FAKE_CUDA_PLANT
};

// Numbers and mnemonics are those of our own code; a fault whose text is gone fails the test.
//
// Not found, since the results stay within the bounds that docs/numbers.md states: in f32 a change
// of 2^-11 in the first or last coefficients of exp's and erfc's polynomials (0f3AB52765,
// 0f3C091CCE, 0f3D7C09A9), in the estimate that an exponent is rounded from (0fBFB8AA3B) or in the
// low part of ln 2 (0f3102E308), sums alone that are rounded towards zero, and a remainder that is
// (fma.rp). Those of full accuracy change bits that the host has, which the tests of equal bits
// see.
constexpr MachineFault kMachineFaults[] = {
    {"a coefficient is off by 2^-11", "swiglu", "bf16", "0fBF38AA3B=>0fBF38BA3B"},
    {"the store rounds towards zero", "swiglu", "bf16", "cvt.rn.bf16x2.f32=>cvt.rz.bf16x2.f32"},
    {"the tail's store rounds towards zero", "swiglu", "bf16", "cvt.rn.bf16.f32=>cvt.rz.bf16.f32"},
    {"odd elements lose their last bit", "swiglu", "bf16", "-65536=>-131072"},
    {"swapped arms", "swiglu", "bf16", "setp.lt.f32=>setp.gt.f32"},
    {"another function", "swiglu", "bf16", "ex2.approx.f32=>lg2.approx.f32"},
    {"products become sums", "swiglu", "bf16", "mul.rn.f32=>add.rn.f32"},
    {"the absolute value is dropped", "swiglu", "bf16", "abs.f32=>mov.f32"},
    {"one input is read for another", "swiglu", "bf16",
     "swage_swiglu_param_1]=>swage_swiglu_param_0]"},
    {"half of the blocks do the work of others", "swiglu", "bf16", "%ctaid.x=>%nctaid.x"},
    {"a reciprocal becomes a root", "swiglu", "bf16", "rcp.approx.ftz.f32=>rsqrt.approx.ftz.f32"},
    {"the store rounds towards zero", "swiglu", "f16", "cvt.rn.f16x2.f32=>cvt.rz.f16x2.f32"},
    {"a coefficient is off by 2^-11", "gelu", "f32", "0fBF3504F3=>0fBF3514F3"},
    {"a coefficient is off by 2^-11", "gelu", "f32", "0f3C81C4E2=>0f3C81D4E2"},
    {"a coefficient is off by 2^-11", "gelu", "f32", "0f3D2AAC58=>0f3D2ABC58"},
    {"a coefficient is off by 2^-11", "gelu", "f32", "0f3E2AAA49=>0f3E2ABA49"},
    {"a coefficient is off by 2^-11", "gelu", "f32", "0f3EAAACE7=>0f3EAABCE7"},
    {"a coefficient is off by 2^-11", "gelu", "f32", "0f3EC234AC=>0f3EC244AC"},
    {"a coefficient is off by 2^-11", "gelu", "f32", "0f3F1497C9=>0f3F14A7C9"},
    {"a coefficient is off by 2^-11", "gelu", "f32", "0f3F1D242C=>0f3F1D342C"},
    {"a coefficient is off by 2^-11", "gelu", "f32", "0f3F32147D=>0f3F32247D"},
    {"a coefficient is off by 2^-11", "gelu", "f32", "0fBD680C23=>0fBD681C23"},
    {"a coefficient is off by 2^-11", "gelu", "f32", "0fBE06E32C=>0fBE06F32C"},
    {"a coefficient is off by 2^-11", "gelu", "f32", "0fBEF00000=>0fBEF01000"},
    {"a coefficient is off by 2^-11", "gelu", "f32", "0f3EC00000=>0f3EC01000"},
    {"a coefficient is off by 2^-11", "gelu", "f32", "0fBF317218=>0fBF318218"},
    {"a coefficient is off by 2^-11", "gelu_tanh", "f32", "0f3D372713=>0f3D373713"},
    {"a coefficient is off by 2^-11", "gelu_tanh", "f32", "0f3FCC422A=>0f3FCC522A"},
    {"a coefficient is off by 2^-11", "gelu_tanh", "f32", "0fBF317218=>0fBF318218"},
    {"a coefficient is off by 2^-11", "gelu_tanh", "f32", "0f3D2AAC58=>0f3D2ABC58"},
    {"a coefficient is off by 2^-11", "gelu_tanh", "f32", "0f3E2AAA49=>0f3E2ABA49"},
    {"a coefficient is off by 2^-11", "xielu", "f32", "0fBF317218=>0fBF318218"},
    {"a coefficient is off by 2^-11", "xielu", "f32", "0f3D2AAA7C=>0f3D2ABA7C"},
    {"a coefficient is off by 2^-11", "swiglu", "f32", "0fBF317218=>0fBF318218"},
    {"a coefficient is off by 2^-11", "swiglu", "f32", "0f3D2AAC58=>0f3D2ABC58"},
    {"a coefficient is off by 2^-11", "swiglu_backward", "f32", "0fBF317218=>0fBF318218"},
    {"a coefficient is off by 2^-11", "gelu_backward", "f32", "0f3F906EBB=>0f3F907EBB"},
    {"a coefficient is off by 2^-11", "gelu_backward", "f32", "0f3F3504F3=>0f3F3514F3"},
    {"a coefficient is off by 2^-11", "gelu_backward", "f32", "0fBF317218=>0fBF318218"},
    {"a coefficient is off by 2^-11", "gelu_backward", "f32", "0f3D2AAC58=>0f3D2ABC58"},
    {"a coefficient is off by 2^-11", "geglu_tanh_backward", "bf16", "0f3D372713=>0f3D373713"},
    {"a coefficient is off by 2^-11", "geglu_tanh_backward", "bf16", "0f3FCC422A=>0f3FCC522A"},
    {"a coefficient is off by 2^-11", "geglu_tanh_backward", "bf16", "0fBF38AA3B=>0fBF38BA3B"},
    {"a coefficient is off by 2^-11", "gelu", "bf16", "0f3D931AB0=>0f3D932AB0"},
    {"a coefficient is off by 2^-11", "gelu", "bf16", "0f3E5BA462=>0f3E5BB462"},
    {"a coefficient is off by 2^-11", "gelu", "bf16", "0f3E641989=>0f3E642989"},
    {"a coefficient is off by 2^-11", "gelu", "bf16", "0f3E7CB859=>0f3E7CC859"},
    {"a coefficient is off by 2^-11", "gelu", "bf16", "0f3E7DA675=>0f3E7DB675"},
    {"a coefficient is off by 2^-11", "gelu", "bf16", "0f3EA2814D=>0f3EA2914D"},
    {"a coefficient is off by 2^-11", "gelu", "bf16", "0f3EE00000=>0f3EE01000"},
    {"a coefficient is off by 2^-11", "gelu", "bf16", "0fBD0FF122=>0fBD100122"},
    {"a coefficient is off by 2^-11", "gelu", "bf16", "0fBE92582E=>0fBE92682E"},
    {"a coefficient is off by 2^-11", "gelu", "bf16", "0fBF3504F3=>0fBF3514F3"},
    {"a coefficient is off by 2^-11", "gelu", "bf16", "0fBFB8AA3B=>0fBFB8BA3B"},
    {"fused products and sums round towards zero", "gelu_backward", "f32",
     "fma.rn.f32=>fma.rz.f32"},
    {"products round towards zero", "gelu_backward", "f32", "mul.rn.f32=>mul.rz.f32"},
    {"differences become sums", "gelu_backward", "f32", "sub.rn.f32=>add.rn.f32"},
    {"swapped arms", "gelu_backward", "f32", "setp.lt.f32=>setp.ge.f32"},
    {"an estimate is off by 2^-10", "gelu_backward", "f32",
     "rcp.approx.ftz.f32=>rsqrt.approx.ftz.f32"},
    {"differences become sums", "swiglu_backward", "bf16", "sub.rn.f32=>add.rn.f32"},
    {"swapped arms", "swiglu_backward", "bf16", "setp.lt.f32=>setp.ge.f32"},
    {"differences become sums", "swiglu_unsloth_backward", "bf16", "sub.rn.f32=>add.rn.f32"},
    {"the store rounds towards zero", "swiglu_unsloth_backward", "bf16",
     "cvt.rn.bf16x2.f32=>cvt.rz.bf16x2.f32"},
    {"the store rounds towards zero", "xielu_backward", "bf16",
     "cvt.rn.bf16x2.f32=>cvt.rz.bf16x2.f32"},
    {"swapped arms", "xielu_backward", "bf16", "setp.gt.f32=>setp.lt.f32"},
    {"differences become sums", "geglu_tanh_backward", "bf16", "sub.rn.f32=>add.rn.f32"},
    {"sums become differences", "geglu_tanh_backward", "bf16", "add.rn.f32=>sub.rn.f32"},
    {"swapped arms", "geglu_tanh_backward", "bf16", "setp.gt.f32=>setp.lt.f32"},
    {"products round towards zero", "swiglu_backward", "f32", "mul.rn.f32=>mul.rz.f32"},
    {"fused products and sums round towards zero", "swiglu_backward", "f32",
     "fma.rn.f32=>fma.rz.f32"},
    {"half of each element of the tail is missed", "swiglu", "bf16", "st.global.b16=>st.global.b8"},
};

/// What `run --verify` ends with on the emulated GPU.
test::Outcome run_with(const MachineFault& fault, const char* edit) {
  return test::run_swage({"run", fault.kernel, "-D", std::string("T=") + fault.type, "--shape",
                          "37x131", "--verify", "--repeat", "0", "--device", "cuda:0"},
                         {"SWAGE_CACHE_DIR=", "SWAGE_LIBCUDA_PATH=" SWAGE_FAKE_CUDA_LIBRARY,
                          std::string("SWAGE_FAKE_CUDA_PLANT=") + edit});
}

void check_found(const MachineFault& fault) {
  const test::Outcome outcome = run_with(fault, fault.edit);
  INFO(fault.what << " in " << fault.kernel << " " << fault.type << "\n"
                  << outcome.out << outcome.err);
  CHECK(outcome.status == 1);
  CHECK(outcome.out.find("\nNOT verified\n") != std::string::npos);
}

struct GraphFault {
  const char* what;
  const char* right;
  const char* wrong; ///< both of a, b: in T and y: out T
};

constexpr GraphFault kGraphFaults[] = {
    {"a wrong coefficient", "0.5 * a * (1 + tanh(0.8 * (a + 0.044715 * (a * a * a)))) * b",
     "0.5 * a * (1 + tanh(0.8 * (a + 0.044 * (a * a * a)))) * b"},
    {"a dropped rounding", "T(a * sigmoid(a)) * b", "a * sigmoid(a) * b"},
    {"a rounding too many", "a * sigmoid(a) * b", "T(a * sigmoid(a)) * b"},
    {"swapped arms", "a > 0 ? a * b : b", "a > 0 ? b : a * b"},
    {"a gradient without its second term", "b * sigmoid(a) * (1 + a * (1 - sigmoid(a)))",
     "b * sigmoid(a)"},
    {"a gradient with a wrong sign", "b * (1 - tanh(a) * tanh(a))", "b * (1 + tanh(a) * tanh(a))"},
    {"operands swapped", "a - b", "b - a"},
};

} // namespace

TEST_CASE("a fault whose text is nowhere in the PTX fails to load") {
  const MachineFault none = {"none", "swiglu", "bf16", ""};
  CHECK(run_with(none, "no such text=>x").status == 1);
  CHECK(run_with(none, "no such text=>x").err.find("INVALID_PTX") != std::string::npos);
  CHECK(run_with(none, "ret;=>ret;").status == 0);
}

TEST_CASE("every fault planted in machine code is found by run --verify") {
  for (const MachineFault& fault : kMachineFaults)
    check_found(fault);
}

TEST_CASE("faults planted in the graph are found on default inputs") {
  const Device device = Device::open("cpu");
  const auto text = [](const char* expression) {
    return std::string("kernel k<T>(a: in T, b: in T, y: out T) { y = ") + expression + "; }";
  };
  for (const GraphFault& fault : kGraphFaults)
    for (const DType type : {DType::bf16, DType::f32}) {
      if (type == DType::f32 && std::string(fault.what).find("rounding") != std::string::npos)
        continue; // T(x) of an f32 is x
      const ir::Kernel right =
          ir::load_kernel({text(fault.right)}, "", std::vector<Binding>{{"T", type}});
      const Shape shape = {64, 127};
      Operands operands(device, right, {.shape = shape});
      operands.upload(true);
      device.kernel(text(fault.wrong), "", {{"T", type}}).launch(nullptr, operands.arguments());
      operands.download();
      INFO(fault.what << " of " << name_of(type));
      CHECK(compare(right, operands, shape, {})[0].wrong > 0);
    }
}
