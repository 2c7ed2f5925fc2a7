// parse_test.cpp -- what the parser accepts, and how it names what it does not.
#include "tests/emulator/harness.hpp"
#include "tests/support/catch.hpp"

using namespace swage::emulator;
using namespace swage::emulator::testing;

namespace {

std::string in_kernel(const std::string& code) {
  return std::string(kHeader) + ".entry k(.param .u64 p)\n{\n.reg .pred %q;\n.reg .b16 %h;\n" +
         ".reg .b32 %r<4>;\n.reg .b64 %d;\n" + code + "\n}\n";
}

} // namespace

TEST_CASE("a module with everything LLVM prints around a kernel parses") {
  const Module module = parse(R"(
.version 8.0
.target sm_90a, debug
.address_size 64

	// .globl	k
.extern .func  (.param .b32 func_retval0) vprintf
(
	.param .b64 vprintf_param_0,
	.param .b64 vprintf_param_1
)
;
.global .align 16 .b8 table[4] = {1, 2, 0xff, 4};
.const .align 8 .f64 half = 0d3FE0000000000000;
.extern .shared .align 16 .b8 dynamic[];
/* a block
   comment */
.visible .entry k(
	.param .u64 .ptr .global .align 16 k_param_0,
	.param .u8 k_param_1,
	.param .align 8 .b8 k_param_2[24],
	.param .f32 k_param_3
)
.reqntid 128, 2
.minnctapersm 2
{
	.reg .pred 	%p<3>;
	.reg .b32 	%r<4>, %x;
	.loc	1 2 3
	.pragma "nounroll";
	mov.b32 %r1, 0; // begin inline asm
	@!%p1 bra.uni $L__BB0_2;
$L__BB0_1:
$L__BB0_2:
	ret;
}
	.file	1 "/a/b.cu"
.section .debug_abbrev
{
.b8 1
.b8 17
}
)");
  CHECK(module.version == 80);
  CHECK(module.target == "sm_90a");
  CHECK(module.architecture == 90);
  REQUIRE(module.variables.size() == 3);
  CHECK(module.variables[0].initial[2] == std::byte{0xff});
  const Kernel& kernel = module.kernels.at(0);
  CHECK(kernel.name == "k");
  CHECK(kernel.required_threads == std::array<unsigned, 3>{128, 2, 1});
  CHECK(kernel.parameters[2].offset == 16);
  CHECK(kernel.parameters[3].offset == 40);
  CHECK(kernel.parameter_bytes == 44);
  CHECK(kernel.labels.at("$L__BB0_1") == 2);
  CHECK(kernel.registers.size() == 8);
}

TEST_CASE("an unknown instruction is named with its line and text") {
  CHECK(message_of(in_kernel("frob.u32   %r0,\n %r1;")) ==
        "line 10: unknown instruction: 'frob.u32 %r0, %r1'");
}

TEST_CASE("what an assembler refuses, the emulator refuses") {
  const struct {
    const char* code;
    const char* expected;
  } cases[] = {
      {"add.u32 %r0, %r1, %d;", "register '%d' of type .b64 does not fit"},
      {"add.u32 %h, %r1, %r2;", "register '%h' of type .b16 does not fit"},
      {"add.u32 %r0, %r1;", "expected 3 operands, found 2"},
      {"add.u32 %r0, %r1, %undeclared;", "unknown register '%undeclared'"},
      {"add.u32.wrong %r0, %r1, %r2;", "unsupported modifier '.wrong'"},
      {"add %r0, %r1, %r2;", "names no type"},
      {"add.f32 %r0, %r1, 1;", "an integer literal cannot be a .f32"},
      {"add.f32 %r0, %r1, 0d3FF0000000000000;", ""},
      {"mul.s32 %r0, %r1, %r2;", "needs .lo, .hi or .wide"},
      {"bra nowhere;", "unknown label 'nowhere'"},
      {"@%r0 bra nowhere;", "must be a predicate register"},
      {"ld.global.v3.b32 %r0, [%d];", "unsupported modifier '.v3'"},
      {"ld.global.v2.b32 %r0, [%d];", "expected a vector of 2 elements"},
      {"ld.global.v8.b64 {%d,%d,%d,%d,%d,%d,%d,%d}, [%d];", "unsupported access of 64 bytes"},
      {"ld.param.b64 %d, [missing];", "unknown symbol 'missing'"},
      {"st.param.b64 [p], %d;", "cannot be stored to"},
      {"ld.shared.nc.b32 %r0, [%d];", ".nc applies to .global only"},
      {"mov.b32 %r0, %r1", "syntax error: expected ';'"},
      {".reg .b32 %r1;", "duplicate definition of register '%r1'"},
      {".reg .q32 %z;", "unknown register type"},
      {"mov.b32 %r0, 0xfg;", "is not a number"},
      {"mov.b32 %r0, \x01;", "unexpected character"},
  };
  for (const auto& each : cases) {
    const std::string message = message_of(in_kernel(each.code));
    INFO(each.code << " -> " << message);
    CHECK((*each.expected == '\0' || message.find(each.expected) != std::string::npos));
    CHECK((message != "accepted") == (*each.expected != '\0'));
  }
  CHECK(message_of(".target sm_90\n").find("missing .version") != std::string::npos);
  CHECK(message_of(".version 8.0\n").find("missing .target") != std::string::npos);
  CHECK(message_of(".version 8.0\n.target sm_90\n.entry k() {\n").find("missing '}'") !=
        std::string::npos);
}

TEST_CASE("damaged text never does worse than a parse error") {
  const std::string text = in_kernel("ld.param.b64 %d, [p];\nld.global.v2.b32 {%r0, %r1}, [%d+8];\n"
                                     "@%q add.f32 %r0, %r1, 0f3F800000;\nlabel:\nbra label;\nret;");
  for (std::size_t i = 0; i < text.size(); ++i) {
    message_of(text.substr(0, i));
    for (const char c : {'\0', ';', '{', '9', '.', '"'}) {
      std::string damaged = text;
      damaged[i] = c;
      message_of(damaged);
    }
  }
}
