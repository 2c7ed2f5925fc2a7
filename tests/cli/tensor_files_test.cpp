// tensor_files_test.cpp -- models as they are published: names with dots, shards, parts of tensors.
#include "tests/support/catch.hpp"

#include <cstdlib>
#include <cstring>

#include <nlohmann/json.hpp>

#include "cli/output_files.hpp"
#include "cli/safetensors.hpp"
#include "cli/tensor_place.hpp"
#include "swage/swage.hpp"
#include "tests/cli/subprocess.hpp"
#include "tests/support/e2m1.hpp"

using namespace swage;
using test::Outcome;
using test::run_swage;
using test::TemporaryFolder;
using test::write_text;

namespace {

using Json = nlohmann::json;

const std::string kScale = "kernel scale(w: in f32, y: out f32, z: out f32) { y = w * 2; z = -w; }";

/// A folder with a kernel and a model of one file and of two shards under an index.
struct Model {
  TemporaryFolder folder;
  std::string kernel = folder.file("scale.swg"), one = folder.file("model.safetensors"),
              index = folder.file("model.safetensors.index.json");

  Model() {
    const float rows[6] = {1, 2, 3, 4, 5, 6};
    const float other[2] = {7, 8};
    write_text(kernel, kScale);
    const cli::SafetensorsTensor weight = {
        "encoder.layer.0.dense.weight", f32, {3, 2}, std::as_bytes(std::span(rows))};
    const cli::SafetensorsTensor bias = {
        "encoder.layer.0.dense.bias", f32, {2}, std::as_bytes(std::span(other))};
    cli::write_safetensors(one, {weight, bias});
    cli::write_safetensors(folder.file("model-00001-of-00002.safetensors"), {weight});
    cli::write_safetensors(folder.file("model-00002-of-00002.safetensors"), {bias});
    write_text(index, R"({"metadata":{"total_size":32},"weight_map":{
      "encoder.layer.0.dense.weight":"model-00001-of-00002.safetensors",
      "encoder.layer.0.dense.bias":"model-00002-of-00002.safetensors"}})");
  }

  Outcome run(const std::string& input, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"run",      kernel,     "--kernel", "scale",
                                          "--input",  input,      "--device", "cpu",
                                          "--verify", "--repeat", "0"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_swage(arguments, {"SWAGE_CACHE_DIR="});
  }
};

std::vector<float> floats(const std::string& file, const std::string& tensor, cli::Shape& shape) {
  const cli::SafetensorsFile read(file);
  const cli::SafetensorsEntry* entry = read.find(tensor);
  REQUIRE(entry != nullptr);
  shape = entry->shape;
  std::vector<float> values(entry->data.size() / sizeof(float));
  std::memcpy(values.data(), cli::load(*entry).data(), entry->data.size());
  return values;
}

} // namespace

TEST_CASE("run takes a parameter from a tensor of any name, of a file or of an index") {
  const Model model;
  for (const std::string& file : {model.one, model.index}) {
    const Outcome outcome = model.run("w=" + file + ":encoder.layer.0.dense.weight",
                                      {"--output", "y=" + model.folder.file("y") + ":twice.weight",
                                       "--output", "z=" + model.folder.file("y")});
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    cli::Shape shape;
    CHECK(floats(model.folder.file("y"), "twice.weight", shape) ==
          std::vector<float>{2, 4, 6, 8, 10, 12});
    CHECK(shape == cli::Shape{3, 2});
    CHECK(floats(model.folder.file("y"), "z", shape) == std::vector<float>{-1, -2, -3, -4, -5, -6});
  }
}

TEST_CASE("run takes one row or some rows of a tensor") {
  const Model model;
  const std::string tensor = "w=" + model.one + ":encoder.layer.0.dense.weight";
  cli::Shape shape;
  const std::string out = model.folder.file("o");
  REQUIRE(model.run(tensor + "[1]", {"--output", out}).status == 0);
  CHECK(floats(out, "y", shape) == std::vector<float>{6, 8});
  CHECK(shape == cli::Shape{2});
  REQUIRE(model.run(tensor + "[1:3]", {"--output", out}).status == 0);
  CHECK(floats(out, "y", shape) == std::vector<float>{6, 8, 10, 12});
  CHECK(shape == cli::Shape{2, 2});
  for (const char* part : {"[3]", "[1:4]", "[2:2]"}) {
    const Outcome outcome = model.run(tensor + part);
    CHECK(outcome.status == 2);
    CHECK(outcome.err.find("has 3 rows") != std::string::npos);
  }
}

TEST_CASE("run says what a model holds instead, and which parameter is meant") {
  const Model model;
  const auto refused = [&](const std::string& input, const char* text, int status = 2) {
    const Outcome outcome = model.run(input);
    INFO(outcome.err);
    CHECK(outcome.status == status);
    CHECK(outcome.err.find(text) != std::string::npos);
  };
  refused("w=" + model.one + ":encoder.layer.0.dense.weigth",
          "did you mean 'encoder.layer.0.dense.weight'?");
  refused("v=" + model.one + ":encoder.layer.0.dense.weight", "reads no tensor 'v'");
  refused("y=" + model.one + ":encoder.layer.0.dense.weight", "reads no tensor 'y'");
  refused(model.one, "--input w=FILE:TENSOR");
  refused("w=" + model.one + ":", "empty tensor name");
  refused("w=", "empty file name");
  refused("w=" + model.folder.file("none") + ":x", "none", 1);
}

TEST_CASE("an index leads to files beside it and nowhere else") {
  const Model model;
  const auto refused = [&](const std::string& text, const char* found) {
    write_text(model.index, text);
    const Outcome outcome = model.run("w=" + model.index + ":a");
    INFO(outcome.err);
    CHECK(outcome.status == 1);
    CHECK(outcome.err.find(found) != std::string::npos);
  };
  refused("{", "not JSON");
  refused("[]", "no object \"weight_map\"");
  refused(R"({"weight_map":{"a":1}})", "no file name for tensor 'a'");
  refused(R"({"weight_map":{"a":"../secret"}})", "'../secret'");
  refused(R"({"weight_map":{"a":"/etc/passwd"}})", "'/etc/passwd'");
  refused(R"({"weight_map":{"a":""}})", "the file name ''");
  refused(R"({"weight_map":{"a":"missing.safetensors"}})", "missing.safetensors");
  refused(R"({"weight_map":{"a":"model.safetensors"}})", "which does not hold it");
  refused(std::string(200'000, '['), "not JSON");
}

TEST_CASE("list shows what a file or an index holds") {
  const Model model;
  for (const std::string& file : {model.one, model.index}) {
    const Outcome outcome = run_swage({"list", file, "--json"});
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    const Json tensors = Json::parse(outcome.out)["tensors"];
    REQUIRE(tensors.size() == 2);
    for (const Json& tensor : tensors) {
      const bool weight = tensor["name"] == "encoder.layer.0.dense.weight";
      CHECK(tensor["dtype"] == "F32");
      CHECK(tensor["shape"] == (weight ? Json{3, 2} : Json{2}));
      CHECK(tensor["bytes"] == (weight ? 24 : 8));
    }
    CHECK(run_swage({"list", file}).out.find("3x2") != std::string::npos);
  }
  CHECK(run_swage({"list", model.folder.file("none")}).status == 1);
}

TEST_CASE("outputs are refused before anything runs") {
  const Model model;
  const std::string input = "w=" + model.one + ":encoder.layer.0.dense.weight";
  for (const std::string& output : {"w=" + model.folder.file("o"), std::string("v=o:x"),
                                    std::string("y="), "y=" + model.folder.file("o") + ":"}) {
    const Outcome outcome = model.run(input, {"--output", output});
    INFO(output << ": " << outcome.err);
    CHECK(outcome.status == 2);
    CHECK(outcome.out.empty());
  }
  const Outcome twice = model.run(input, {"--output", "y=o:a", "--output", "z=o:a"});
  CHECK(twice.status == 2);
  CHECK(twice.err.find("twice") != std::string::npos);
}

TEST_CASE("an empty value of an option is not taken for no option") {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"run", "relu", "-D", "T=f32", "--shape", "8", "--device", "cpu", "--output", ""},
           {"run", "relu", "-D", "T=f32", "--shape", "8", "--device", "cpu", "--input", ""},
           {"run", "relu", "-D", "T=f32", "--shape", "8", "--device", ""},
           {"run", "relu", "-D", "T=f32", "--shape", "8", "--device", "cpu", "--schedule", ""},
           {"compile", "relu", "-D", "T=f32", "-o", ""},
           {"list", ""}}) {
    const Outcome outcome = run_swage(arguments);
    INFO(outcome.err);
    CHECK(outcome.status == 2);
    CHECK(outcome.err.find("empty value") != std::string::npos);
    CHECK(outcome.out.empty());
  }
}

TEST_CASE("help and version that cannot be written are failures") {
  for (const char* option : {"--help", "--version"}) {
    const std::string command =
        std::string("'") + SWAGE_COMMAND + "' " + option + " > /dev/full 2> /dev/null";
    CHECK(std::system(command.c_str()) != 0);
    CHECK(run_swage({option}).status == 0);
  }
}

TEST_CASE("run takes tensors of four bits from files and writes them, two elements to a byte") {
  const TemporaryFolder folder;
  const std::string kernel = folder.file("k.swg"), in = folder.file("in"), out = folder.file("out");
  write_text(kernel, "kernel k(q: in f4e2m1, x: in f32, y: out f32, p: out f4e2m1) {"
                     " y = q; p = x; }");
  std::byte codes[16];
  float numbers[32];
  for (unsigned i = 0; i < 16; ++i) {
    codes[i] = static_cast<std::byte>(i | (15 - i) << 4);
    numbers[2 * i] = static_cast<float>(i);
    numbers[2 * i + 1] = -0.5F * static_cast<float>(i);
  }
  cli::write_safetensors(
      in, {{"q", f4e2m1, {2, 16}, codes}, {"x", f32, {2, 16}, std::as_bytes(std::span(numbers))}});
  const Outcome outcome = run_swage({"run", kernel, "--input", in, "--output", out, "--device",
                                     "cpu", "--verify", "--repeat", "0"},
                                    {"SWAGE_CACHE_DIR="});
  INFO(outcome.out << outcome.err);
  REQUIRE(outcome.status == 0);
  cli::Shape shape;
  const std::vector<float> wide = floats(out, "y", shape);
  CHECK(shape == cli::Shape{2, 16});
  for (unsigned i = 0; i < 32; ++i) {
    const unsigned code = i % 2 == 0 ? i / 2 : 15 - i / 2;
    CHECK(wide[i] == static_cast<float>(code < 8 ? test::kE2m1[code] : -test::kE2m1[code - 8]));
  }
  const cli::SafetensorsFile read(out);
  const cli::SafetensorsEntry* p = read.find("p");
  REQUIRE(p != nullptr);
  CHECK(p->dtype_name == "F4");
  CHECK(p->shape == cli::Shape{2, 16});
  REQUIRE(p->data.size() == 16);
  const auto bytes = cli::load(*p);
  for (unsigned i = 0; i < 32; ++i)
    CHECK(test::load_element(f4e2m1, bytes.data(), i) == test::e2m1_code(numbers[i]));
}

TEST_CASE("codes of eight and four bits are taken from tensors of U8") {
  const TemporaryFolder folder;
  const std::string kernel = folder.file("k.swg"), in = folder.file("in"), out = folder.file("out");
  write_text(kernel,
             "kernel k<T>(q: in f4e2m1, s: in e8m0 [group 4], y: out T) { y = T(q) * T(s); }");
  const std::byte codes[] = {std::byte{0x21}, std::byte{0x43}, std::byte{0x65}, std::byte{0x87}};
  const std::byte scales[] = {std::byte{127}, std::byte{128}};
  cli::write_safetensors(in, {{"q", u8, {1, 4}, codes}, {"s", u8, {1, 2}, scales}});
  const Outcome outcome = run_swage({"run", kernel, "-D", "T=f32", "--input", in, "--output", out,
                                     "--device", "cpu", "--verify", "--repeat", "0"},
                                    {"SWAGE_CACHE_DIR="});
  INFO(outcome.out << outcome.err);
  REQUIRE(outcome.status == 0);
  cli::Shape shape;
  CHECK(floats(out, "y", shape) == std::vector<float>{0.5F, 1, 1.5F, 2, 6, 8, 12, -0.0F});
  CHECK(shape == cli::Shape{1, 8});
}

TEST_CASE("types that tensors of U8 leave open are asked for, and others are found") {
  const TemporaryFolder folder;
  const std::string kernel = folder.file("k.swg"), in = folder.file("in");
  write_text(kernel, "kernel fixed<T>(q: in f4e2m1, x: in T, y: out T) { y = T(q) * x; }\n"
                     "kernel open<S>(q: in f4e2m1, s: in S [row], y: out f32) { y = f32(q) * "
                     "f32(s); }");
  const std::byte codes[] = {std::byte{0x21}, std::byte{0x43}}, scales[] = {std::byte{127}};
  const float numbers[] = {1, 2, 3, 4};
  cli::write_safetensors(in, {{"q", u8, {1, 2}, codes},
                              {"s", u8, {1}, scales},
                              {"x", f32, {1, 4}, std::as_bytes(std::span(numbers))}});
  const auto run = [&](std::initializer_list<std::string> more) {
    std::vector<std::string> words{"run", kernel,     "--input", in,        "--device",
                                   "cpu", "--repeat", "0",       "--verify"};
    words.insert(words.end(), more);
    return run_swage(words, {"SWAGE_CACHE_DIR="});
  };
  const Outcome fixed = run({"--kernel", "fixed"});
  INFO(fixed.out << fixed.err);
  CHECK(fixed.status == 0);
  CHECK(fixed.out.find("T=f32") != std::string::npos);
  const Outcome open = run({"--kernel", "open"});
  INFO(open.out << open.err);
  CHECK(open.status != 0);
  CHECK(open.err.find("is U8, which may be codes of several types; bind the kernel's types with "
                      "-D") != std::string::npos);
  CHECK(run({"--kernel", "open", "-D", "S=e8m0"}).status == 0);
}

TEST_CASE("rows of a tensor of four bits are taken by number, where they are whole bytes") {
  const TemporaryFolder folder;
  const std::string kernel = folder.file("k.swg"), in = folder.file("in"), out = folder.file("out");
  write_text(kernel, "kernel k(q: in f4e2m1, y: out f32) { y = q; }");
  const std::byte codes[] = {std::byte{0x10}, std::byte{0x32}, std::byte{0x54}, std::byte{0x76}};
  cli::write_safetensors(in, {{"q", f4e2m1, {2, 4}, codes}});
  const auto run = [&](const std::string& tensor) {
    return run_swage({"run", kernel, "--input", "q=" + in + ":" + tensor, "--output", out,
                      "--device", "cpu", "--repeat", "0"},
                     {"SWAGE_CACHE_DIR="});
  };
  REQUIRE(run("q[1]").status == 0);
  cli::Shape shape;
  CHECK(floats(out, "y", shape) == std::vector<float>{2, 3, 4, 6});
  cli::write_safetensors(in, {{"q", f4e2m1, {8}, codes}});
  const Outcome refused = run("q[1]");
  CHECK(refused.status != 0);
  CHECK(refused.err.find("has rows that end within a byte") != std::string::npos);
}

TEST_CASE("an odd number of columns of four bits is refused before memory is taken") {
  const TemporaryFolder folder;
  const std::string kernel = folder.file("k.swg");
  write_text(kernel, "kernel k(x: in f32, q: out f4e2m1) { q = x; }");
  const Outcome refused =
      run_swage({"run", kernel, "--shape", "4x33", "--device", "cpu"}, {"SWAGE_CACHE_DIR="});
  CHECK(refused.status != 0);
  CHECK(refused.err.find("'q' is f4e2m1, two of which share a byte, so rows must have an even "
                         "number of columns, found 33") != std::string::npos);
}

TEST_CASE("verify takes an even number of samples of what has tensors of four bits") {
  const TemporaryFolder folder;
  const std::string kernel = folder.file("k.swg");
  write_text(kernel, "kernel k(x: in bf16, p: in f4e2m1, q: out f4e2m1) { q = x * p; }");
  for (const char* samples : {"4097", "9001"}) {
    const Outcome outcome = run_swage({"verify", kernel, "--samples", samples, "--device", "cpu"},
                                      {"SWAGE_CACHE_DIR="});
    INFO(outcome.out << outcome.err);
    CHECK(outcome.status == 0);
  }
}
