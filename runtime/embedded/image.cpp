// image.cpp -- compiled kernels as a program carries them: the bytes of an image.
#include "runtime/embedded/image.hpp"

#include <fmt/format.h>

#include "codegen/calling_convention.hpp"
#include "runtime/store/bytes.hpp"
#include "runtime/store/envelope.hpp"

namespace swage::embedded {

namespace {

using store::ByteReader;
using store::ByteWriter;

constexpr store::Envelope kEnvelope{{"\x89SWGI\r\n\x1a", 8},
                                    codegen::kCallingConvention,
                                    "an image of kernels",
                                    "an image of kernels"};
constexpr unsigned kWaits = 1, kTotals = 2, kSingleRow = 4; // flags

void write(ByteWriter& out, const Image& image) {
  out.u32(static_cast<std::uint32_t>(image.kernels.size()));
  for (const ImageKernel& kernel : image.kernels) {
    out.string(kernel.name);
    out.string(kernel.line);
  }
  out.u32(static_cast<std::uint32_t>(image.codes.size()));
  for (const ImageCode& code : image.codes) {
    out.string(code.target);
    out.string(code.entry_symbol);
    out.u8(static_cast<std::uint8_t>((code.waits_for_dependencies ? kWaits : 0) |
                                     (code.has_totals ? kTotals : 0) |
                                     (code.stores_single_row ? kSingleRow : 0)));
    for (const std::string_view section : {code.ptx, code.cubin, code.object})
      out.string(section);
  }
  out.u32(static_cast<std::uint32_t>(image.variants.size()));
  for (const ImageVariant& variant : image.variants) {
    out.u32(variant.kernel);
    out.u32(variant.code);
    out.u8(variant.first_size);
    out.u8(variant.last_size);
    out.string(variant.specialization);
    out.string(variant.schedule);
  }
}

/// Nothing is set aside for a count before its items are read: it may be any number.
bool read(ByteReader& in, Image& image) {
  for (std::uint32_t count = in.u32(); count > 0 && in.ok(); --count) {
    const std::string_view name = in.string();
    image.kernels.push_back({name, in.string()});
  }
  for (std::uint32_t count = in.u32(); count > 0 && in.ok(); --count) {
    ImageCode code;
    code.target = in.string();
    code.entry_symbol = in.string();
    const unsigned flags = in.u8();
    code.waits_for_dependencies = (flags & kWaits) != 0;
    code.has_totals = (flags & kTotals) != 0;
    code.stores_single_row = (flags & kSingleRow) != 0;
    for (std::string_view* section : {&code.ptx, &code.cubin, &code.object})
      *section = in.string();
    if (flags > (kWaits | kTotals | kSingleRow))
      return false;
    image.codes.push_back(code);
  }
  for (std::uint32_t count = in.u32(); count > 0 && in.ok(); --count) {
    ImageVariant variant;
    variant.kernel = in.u32();
    variant.code = in.u32();
    variant.first_size = in.u8();
    variant.last_size = in.u8();
    variant.specialization = in.string();
    variant.schedule = in.string();
    if (variant.kernel >= image.kernels.size() || variant.code >= image.codes.size())
      return false;
    image.variants.push_back(variant);
  }
  return in.ok() && in.at_end();
}

Decoded defect(std::string message) {
  return {std::nullopt, std::move(message)};
}

} // namespace

std::string encode(const Image& image) {
  std::string body;
  ByteWriter fields(body);
  write(fields, image);
  return store::seal(kEnvelope, body);
}

Decoded decode(std::string_view bytes) {
  const store::Unsealed opened = store::unseal(kEnvelope, bytes);
  if (opened.other_number)
    return defect(fmt::format("its kernels have calling convention {}, and this library launches "
                              "convention {}; build them with the 'swage' command of this version",
                              *opened.other_number, codegen::kCallingConvention));
  if (!opened.defect.empty())
    return defect(opened.defect);
  Image image;
  ByteReader body(opened.fields);
  if (!read(body, image))
    return defect("the fields do not fill the image");
  return {std::move(image), {}};
}

} // namespace swage::embedded
