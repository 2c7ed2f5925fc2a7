// build_source.cpp -- an image of kernels as C source.
#include "cli/build_source.hpp"

#include <cstdint>

#include <fmt/format.h>

namespace swage::cli {

namespace {

/// Eight bytes as a number, the first the lowest, as both kinds of host read it.
std::uint64_t word(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size() && i < 8; ++i)
    value |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  return value;
}

constexpr std::string_view kBegin =
    R"(/* Made by `swage build`: kernels compiled ahead. Link it into a program with libswage_runtime or
   libswage, which finds them when a kernel of the same text is launched. */
#ifdef __cplusplus
extern "C" {
#endif
struct swage_kernel_image {
  const void* bytes;
  unsigned long size;
  struct swage_kernel_image* next;
};
void swage_register_kernels(struct swage_kernel_image* image);
void swage_unregister_kernels(struct swage_kernel_image* image);
)";

} // namespace

std::string image_source(std::string_view image, const std::string& name) {
  std::string text(kBegin);
  text += "static const unsigned long long words[] = {\n";
  for (std::size_t at = 0; at < image.size(); at += 8)
    text += fmt::format("{:#x}u,{}", word(image.substr(at)), at % 48 == 40 ? "\n" : "");
  text += fmt::format("\n}};\n"
                      "static struct swage_kernel_image node = {{words, {}ul, 0}};\n",
                      image.size());
  text += fmt::format("extern const char swage_kernels_{0};\nconst char swage_kernels_{0} = 1;\n",
                      name);
  text +=
      "__attribute__((constructor)) static void enter(void) { swage_register_kernels(&node); }\n"
      "__attribute__((destructor)) static void leave(void) { swage_unregister_kernels(&node); }\n"
      "#ifdef __cplusplus\n}\n#endif\n";
  return text;
}

} // namespace swage::cli
