// command_test.cpp -- the built command, run as a user runs it.
#include "tests/support/catch.hpp"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sys/wait.h>

#include <nlohmann/json.hpp>

#include "cli/safetensors.hpp"
#include "ir/source.hpp"
#include "tests/cli/subprocess.hpp"

using namespace swage;
using test::Outcome;
using test::read_text;
using test::run_swage;
using test::TemporaryFolder;
using test::write_text;
using Json = nlohmann::json;

namespace {

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != text.npos;
}

Json json_of(const Outcome& outcome) {
  INFO(outcome.out);
  INFO(outcome.err);
  return Json::parse(outcome.out);
}

/// The same program on the CPU, whatever devices this machine has.
Outcome run_cpu(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--device", "cpu"});
  return run_swage(arguments);
}

} // namespace

TEST_CASE("help and version are no errors") {
  const Outcome help = run_swage({"--help"});
  CHECK(help.status == 0);
  for (const char* verb : {"devices", "list", "show", "check", "compile", "run"})
    CHECK(has(help.out, verb));
  CHECK(has(help.out, "swage run swiglu"));
  CHECK(run_swage({"--version"}).out == "swage 0.1.0\n");
  CHECK(run_swage({"run", "--help"}).status == 0);
}

TEST_CASE("a wrong command line has exit status 2 and says why") {
  const auto wrong = [](std::vector<std::string> arguments, std::string_view text) {
    const Outcome outcome = run_swage(arguments);
    INFO(outcome.err);
    CHECK(outcome.status == 2);
    CHECK(outcome.out.empty());
    CHECK(has(outcome.err, text));
  };
  wrong({}, "subcommand");
  wrong({"runn", "swiglu"}, "'runn' is no verb; did you mean 'run'?");
  wrong({"nothing_like_it"}, "there are devices, list, show");
  wrong({"run"}, "kernel is required");
  wrong({"run", "swiglu", "--shape"}, "--shape");
  wrong({"run", "swiglu", "--sahpe", "3x5"}, "--sahpe");
  wrong({"run", "swiglu", "-D", "T=f32"}, "neither a --shape nor an --input");
  wrong({"run", "swiglu", "-D", "T=f32", "--shape", "3y5"}, "shape '3y5'");
  wrong({"run", "swiglu", "-D", "T=f31", "--shape", "3"}, "'f31'");
  wrong({"run", "swiglu", "-D", "U=f32", "--shape", "3"}, "U");
  wrong({"run", "swiglu", "-D", "T=f32", "--shape", "3", "--math", "loose"}, "'loose'");
  wrong({"run", "swiglu", "-D", "T=f32", "--shape", "3", "--device", "cpu", "--arg", "x=1"}, "'x'");
  wrong(
      {"run", "swiglu", "-D", "T=f32", "--shape", "3", "--device", "cpu", "--schedule", "lanes=3"},
      "lanes");
  wrong({"run", "swiglu", "-D", "T=f32", "--shape", "3", "--device", "cpu", "--sample", "0"},
        "--sample");
  wrong({"compile", "swiglu", "-D", "T=f32", "--arch", "sm_10"}, "sm_10");
  wrong({"compile", "swiglu", "-D", "T=f32", "--emit", "ptx", "--arch", "host"}, "--emit asm");
  wrong({"compile", "swiglu", "-D", "T=f32", "--emit", "elf"}, "'elf'");
  wrong({"show", "swigul"}, "did you mean 'swiglu'?");
  wrong({"show", "nothing_like_it"}, "'swage list'");
}

TEST_CASE("a wrong command line with --json is an object, too") {
  using Arguments = std::vector<std::string>;
  for (const Arguments& arguments :
       {Arguments{"run", "--json"}, Arguments{"run", "swiglu", "--sahpe", "3x5", "--json"},
        Arguments{"runn", "--json"}, Arguments{"cache", "--json"}}) {
    const Outcome outcome = run_swage(arguments);
    CHECK(outcome.status == 2);
    CHECK(json_of(outcome)["error"]["code"] == "invalid_argument");
  }
}

TEST_CASE("a kernel text that is wrong has exit status 2 and a diagnostic with its place") {
  const TemporaryFolder folder;
  write_text(folder.file("bad.swg"), "kernel k(a: in f32, b: out f32) {\n  b = sigmod(a);\n}\n");
  for (const char* verb : {"check", "show", "run", "compile"}) {
    const Outcome outcome = run_swage({verb, folder.file("bad.swg")});
    INFO(outcome.err);
    CHECK(outcome.status == 2);
    CHECK(has(outcome.err, "bad.swg:2:"));
    CHECK(has(outcome.err, "sigmoid"));
    CHECK(has(outcome.err, "^"));
  }
  const Outcome as_json = run_swage({"check", folder.file("bad.swg"), "--json"});
  CHECK(as_json.status == 2);
  CHECK(json_of(as_json)["error"]["code"] == "invalid_kernel");
  CHECK(has(as_json.err, "bad.swg:2:"));
}

TEST_CASE("a file that is not there, and a device that is not there, have exit status 1") {
  const Outcome missing = run_swage({"check", "/nowhere/a.swg"});
  CHECK(missing.status == 1);
  CHECK(has(missing.err, "/nowhere/a.swg"));
  const Outcome device =
      run_swage({"run", "swiglu", "-D", "T=f32", "--shape", "3", "--device", "cuda:99"});
  CHECK(device.status == 1);
  CHECK(has(device.err, "cuda:99"));
}

TEST_CASE("list names the catalogue, one line a kernel") {
  const Outcome outcome = run_swage({"list"});
  CHECK(outcome.status == 0);
  CHECK(has(outcome.out, "\nswiglu "));
  CHECK_FALSE(has(outcome.out, "\033"));
  const Json object = json_of(run_swage({"list", "--json"}));
  const auto lines = std::count(outcome.out.begin(), outcome.out.end(), '\n');
  CHECK(static_cast<std::size_t>(lines) == object["kernels"].size() + 1);
}

TEST_CASE("show prints the source and a bound text that parses back") {
  const Outcome outcome = run_swage({"show", "swiglu", "-D", "T=bf16"});
  CHECK(outcome.status == 0);
  CHECK(has(outcome.out, "kernel swiglu<T>"));
  CHECK(has(outcome.out, "kernel swiglu(gate: in bf16"));
  const Json object = json_of(run_swage({"show", "swiglu", "-D", "T=bf16", "--json"}));
  const std::string text = object["bound"];
  CHECK(ir::load_kernel({text}, "swiglu", {}).name() == "swiglu");
  CHECK(object["parameters"][2]["kind"] == "out");
}

TEST_CASE("check lists the types that every kernel of a file takes") {
  const TemporaryFolder folder;
  write_text(folder.file("two.swg"), "kernel a<T>(x: in T, y: out T) { y = sigmoid(x); }\n"
                                     "kernel b<T>(x: in T, y: out T) { y = x + x; }\n"
                                     "kernel c(x: in i8, y: out bf16, const k: i32) "
                                     "{ y = bf16(x * k); }\n");
  const Json object = json_of(run_swage({"check", folder.file("two.swg"), "--json"}));
  REQUIRE(object["kernels"].size() == 3);
  CHECK(object["kernels"][0]["types"] == Json({"f64", "f32", "f16", "bf16", "f8e4m3", "f8e5m2",
                                               "f8e4m3fnuz", "f8e5m2fnuz", "e8m0", "f4e2m1"}));
  CHECK(object["kernels"][1]["types"].size() == 15);
  CHECK(object["kernels"][2]["types"].empty());
  CHECK(run_swage({"check", folder.file("two.swg"), "-D", "k=3"}).status == 0);
  CHECK(run_swage({"check", folder.file("two.swg"), "-D", "U=f32"}).status == 2);
  CHECK(run_swage({"check", folder.file("two.swg"), "--kernel", "b", "-D", "T=i8"}).status == 0);
  CHECK(run_swage({"check", folder.file("two.swg"), "--kernel", "a", "-D", "T=i8"}).status == 2);
  // To run one of several, it has to be chosen.
  const Outcome several = run_swage({"show", folder.file("two.swg")});
  CHECK(several.status == 2);
  CHECK(has(several.err, "--kernel: a, b, c"));
}

TEST_CASE("compile gives every form of a kernel, of the catalogue or of a file") {
  const auto form = [](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"compile", "swiglu", "-D", "T=bf16"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = run_swage(arguments);
    INFO(outcome.err);
    CHECK(outcome.status == 0);
    return outcome.out;
  };
  CHECK(has(form({"--emit", "source"}), "fn silu(x)"));
  CHECK(has(form({"--emit", "ir"}), "kernel swiglu(gate: in bf16"));
  CHECK(has(form({"--emit", "llvm"}), "define"));
  CHECK(has(form({"--emit", "llvm-raw", "--arch", "sm_90"}), "ptx_kernel"));
  const std::string ptx = form({"--arch", "sm_90"});
  CHECK(has(ptx, ".target sm_90"));
  CHECK(has(ptx, "st.global.v4"));
  CHECK(has(form({"--arch", "sm_90", "--schedule", "threads=128", "--json"}), "threads=128 "));
  CHECK_FALSE(has(form({"--arch", "sm_90", "--layout", "rows align=2"}), "st.global.v4"));
  CHECK(has(form({"--emit", "asm"}), ".text"));
}

TEST_CASE("compile -o writes the file and nothing else") {
  const TemporaryFolder folder;
  const Outcome outcome = run_swage(
      {"compile", "swiglu", "-D", "T=f16", "--arch", "sm_80", "-o", folder.file("a.ptx")});
  CHECK(outcome.status == 0);
  CHECK(outcome.out.empty());
  CHECK(has(read_text(folder.file("a.ptx")), ".target sm_80"));
  CHECK(run_swage({"compile", "swiglu", "-D", "T=f16", "-o", folder.file("no/a.s")}).status == 1);
}

TEST_CASE("run verifies forward and backward in every float type") {
  for (const char* kernel :
       {"swiglu", "swiglu_unsloth", "swiglu_backward", "swiglu_backward_inplace"})
    for (const char* type : {"bf16", "f16", "f32", "f64"})
      for (const char* shape : {"1x1", "1x7", "3x5", "17x97"}) {
        INFO(kernel << ' ' << type << ' ' << shape);
        const Outcome outcome = run_cpu({"run", kernel, "-D", std::string("T=") + type, "--shape",
                                         shape, "--verify", "--repeat", "0", "--json"});
        CHECK(outcome.status == 0);
        CHECK(json_of(outcome)["verified"] == true);
      }
}

TEST_CASE("run shows time, bytes, rate and the verification") {
  const Outcome outcome =
      run_cpu({"run", "swiglu", "-D", "T=bf16", "--shape", "16x1024", "--verify", "--repeat", "3"});
  CHECK(outcome.status == 0);
  for (const char* part : {"kernel", "T=bf16", "time", "98.3 kB", "GB/s", "max ulp", "verified"})
    CHECK(has(outcome.out, part));
  CHECK(outcome.err.empty());
  const Json object = json_of(
      run_cpu({"run", "swiglu", "-D", "T=bf16", "--shape", "16x1024", "--repeat", "3", "--json"}));
  CHECK(object["bytes"] == 3 * 2 * 16 * 1024);
  CHECK(object["rounds"] == 3);
  CHECK(object["bytes_per_second"].get<double>() > 0);
  CHECK_FALSE(object.contains("verified"));
}

TEST_CASE("run fails with exit status 1 when an element is past the user's limit") {
  const Outcome outcome = run_cpu({"run", "swiglu", "-D", "T=f32", "--shape", "100x100", "--verify",
                                   "--max-ulp", "0.1", "--repeat", "0"});
  CHECK(outcome.status == 1);
  CHECK(has(outcome.out, "NOT verified"));
  CHECK(has(outcome.out, "wrong h["));
}

TEST_CASE("run takes run-time scalars, constants, a file and a kernel's name") {
  const TemporaryFolder folder;
  write_text(folder.file("k.swg"),
             "kernel scale<T>(x: in T, y: out T, alpha: f32, n: i32, const beta: f32 = 2.0) "
             "{ y = x * alpha * beta + f32(n); }\n"
             "kernel other(x: in f32, y: out f32) { y = x; }\n");
  const Outcome outcome = run_cpu({"run", folder.file("k.swg"), "--kernel", "scale", "-D", "T=f16",
                                   "-D", "beta=0.5", "--arg", "alpha=1.702", "--arg", "n=3",
                                   "--shape", "33", "--verify", "--max-ulp", "0", "--json"});
  INFO(outcome.err << outcome.out);
  CHECK(outcome.status == 1); // no rounding at all is allowed, so that an element is shown
  const Json output = json_of(outcome)["outputs"][0];
  CHECK(output["wrong"].get<int>() > 25);
  const Json& inputs = output["worst"]["inputs"];
  CHECK(std::abs(inputs["alpha"].get<double>() - 1.702) < 1e-6);
  CHECK(inputs["n"] == 3);
  const double expected = inputs["x"].get<double>() * 1.702 * 0.5 + 3;
  CHECK(std::abs(output["worst"]["got"].get<double>() - expected) < 3e-3);
}

TEST_CASE("run meets special values as the evaluator does") {
  for (const char* type : {"bf16", "f16", "f32", "f64"}) {
    const Outcome outcome = run_cpu({"run", "swiglu", "-D", std::string("T=") + type, "--shape",
                                     "50x1000", "--specials", "--verify", "--repeat", "0"});
    INFO(outcome.out);
    CHECK(outcome.status == 0);
  }
}

TEST_CASE("run reads inputs of PyTorch's file, follows its types and writes outputs") {
  const TemporaryFolder folder;
  const std::uint16_t gate[6] = {0x3f80, 0xc020, 0, 0x4040, 0xc2c8, 0x3e80};
  const std::uint16_t up[6] = {0x3f80, 0x3f80, 0x3f80, 0x4000, 0x3f80, 0x4080};
  cli::write_safetensors(folder.file("in"),
                         {{"up", bf16, {2, 1, 3}, std::as_bytes(std::span(up))},
                          {"unused", bf16, {6}, std::as_bytes(std::span(up))},
                          {"gate", bf16, {2, 1, 3}, std::as_bytes(std::span(gate))}});
  const Outcome outcome = run_cpu({"run", "swiglu", "--input", folder.file("in"), "--output",
                                   folder.file("out"), "--verify", "--json"});
  INFO(outcome.err);
  CHECK(outcome.status == 0);
  CHECK(json_of(outcome)["bindings"] == "T=bf16");
  const cli::SafetensorsFile file(folder.file("out"));
  REQUIRE(file.entries().size() == 1);
  CHECK(file.entries()[0].name == "h");
  CHECK(file.entries()[0].dtype == bf16);
  CHECK(file.entries()[0].shape == cli::Shape{2, 1, 3});
  // silu of 1, -2.5, 0, 3, -100, 0.25 times up, in bf16.
  const std::uint16_t expected[6] = {0x3f3b, 0xbe42, 0, 0x40b7, 0x8000, 0x3f10};
  std::uint16_t got[6];
  std::memcpy(got, cli::load(file.entries()[0]).data(), sizeof got);
  for (int i : {0, 1, 2, 3, 5})
    CHECK(got[i] == expected[i]);
}

TEST_CASE("run says which tensor of a file does not fit") {
  const TemporaryFolder folder;
  const float data[6] = {};
  const auto bytes = std::as_bytes(std::span(data));
  const auto wrong = [&](const std::string& file, std::vector<std::string> more,
                         std::string_view text) {
    std::vector<std::string> arguments = {"run", "swiglu", "--input", file};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = run_cpu(arguments);
    INFO(outcome.err);
    CHECK(outcome.status == 2);
    CHECK(has(outcome.err, text));
  };
  cli::write_safetensors(folder.file("a"), {{"gate", f32, {6}, bytes}, {"upp", f32, {6}, bytes}});
  wrong(folder.file("a"), {"-D", "T=f32"}, "did you mean 'upp'?");
  wrong(folder.file("a"), {}, "did you mean 'upp'?");
  cli::write_safetensors(folder.file("other"), {{"x", f32, {6}, bytes}});
  wrong(folder.file("other"), {}, "holds no tensor 'gate'");
  cli::write_safetensors(folder.file("mixed"),
                         {{"gate", f32, {3}, bytes.first(12)}, {"up", bf16, {6}, bytes.first(12)}});
  wrong(folder.file("mixed"), {}, "'up' of " + folder.file("mixed") + " is BF16");
  cli::write_safetensors(folder.file("b"), {{"gate", f32, {6}, bytes}, {"up", f32, {2, 3}, bytes}});
  wrong(folder.file("b"), {}, "'up'");
  wrong(folder.file("b"), {"-D", "T=bf16"}, "is F32, but the parameter is bf16");
  wrong(folder.file("b"), {"--shape", "5"}, "has shape 6, but the call needs 5");

  write_text(folder.file("c"), read_text(folder.file("b")).substr(0, 50));
  const Outcome truncated = run_cpu({"run", "swiglu", "--input", folder.file("c")});
  CHECK(truncated.status == 1);
  CHECK(has(truncated.err, "not a valid safetensors file"));
}

TEST_CASE("an in-place kernel's outputs are those of one launch") {
  const TemporaryFolder folder;
  const auto outputs = [&](const char* repeat) {
    const Outcome outcome = run_cpu({"run", "swiglu_backward_inplace", "-D", "T=f32", "--shape",
                                     "3x5", "--output", folder.file("out"), "--repeat", repeat});
    CHECK(outcome.status == 0);
    return read_text(folder.file("out"));
  };
  CHECK(outputs("0") == outputs("7"));
}

TEST_CASE("a seed decides the inputs, and so the outputs") {
  const TemporaryFolder folder;
  const auto outputs = [&](const char* seed) {
    run_cpu({"run", "swiglu", "-D", "T=bf16", "--shape", "3x50", "--seed", seed, "--output",
             folder.file("out"), "--repeat", "0"});
    return read_text(folder.file("out"));
  };
  const std::string one = outputs("1");
  CHECK(one == outputs("1"));
  CHECK(one != outputs("2"));
}

TEST_CASE("no elements are a run like any other") {
  const Outcome outcome =
      run_cpu({"run", "swiglu", "-D", "T=bf16", "--shape", "0x14336", "--verify"});
  INFO(outcome.err);
  CHECK(outcome.status == 0);
}

TEST_CASE("devices lists the CPU last, with its measured triad") {
  const Json quick = json_of(run_swage({"devices", "--quick", "--json"}));
  REQUIRE(!quick["devices"].empty());
  const Json& cpu = quick["devices"].back();
  CHECK(cpu["id"] == "cpu");
  CHECK(cpu["compute_units"].get<int>() > 0);
  CHECK(cpu["memory_bytes"].get<std::int64_t>() > 0);
  CHECK_FALSE(cpu.contains("measured"));
}

TEST_CASE("a reader that goes away is no failure, a full disk is one") {
  const std::string swage = SWAGE_COMMAND;
  // The shell's pipe closes before the command writes.
  CHECK(std::system(
            ("bash -c 'set -o pipefail; { sleep 0.2; " + swage + " list; } | true'").c_str()) == 0);
  if (std::filesystem::exists("/dev/full"))
    CHECK(WEXITSTATUS(std::system((swage + " list >/dev/full 2>/dev/null").c_str())) == 1);
}
