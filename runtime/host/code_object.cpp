// code_object.cpp -- relocatable ELF object files, read with distrust and linked by hand.
#include "runtime/host/code_object.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

#include <elf.h>
#include <fmt/format.h>

#include "runtime/host/code_relocation.hpp"
#include "swage/error.hpp"

namespace swage::host {
namespace {

static_assert(std::endian::native == std::endian::little);

// Far above any kernel; keeps sums of sizes from wrapping.
constexpr std::uint64_t kMaxImageBytes = std::uint64_t{64} << 20;
constexpr std::uint64_t kMaxAlignment = 4096;

constexpr std::size_t kStubBytes = 16;
constexpr std::size_t kPointerBytes = 8;

template <class... Args>
[[noreturn]] void malformed(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(ErrorCode::internal, "the host object cannot be loaded: " +
                                       fmt::format(format, std::forward<Args>(args)...));
}

template <class Struct>
Struct read_struct(std::span<const std::byte> bytes) {
  Struct value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

std::size_t round_up(std::size_t value, std::size_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

void put(std::span<std::byte> image, std::size_t offset, std::uint64_t value) {
  std::memcpy(image.data() + offset, &value, sizeof value);
}

} // namespace

CodeObject::CodeObject(std::span<const std::byte> object, std::size_t page) : object_(object) {
  read_sections();
  choose_sections();
  read_symbols();
  read_relocations();
  reserve_slots();
  lay_out(page);
}

std::span<const std::byte> CodeObject::content(std::uint64_t offset, std::uint64_t size) const {
  if (offset > object_.size() || size > object_.size() - offset)
    malformed("{} bytes at {} lie outside its {} bytes", size, offset, object_.size());
  return object_.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(size));
}

std::string_view CodeObject::string_at(const Section& table, std::uint64_t offset) const {
  const auto bytes = content(table.offset, table.size);
  if (table.type != SHT_STRTAB || offset >= bytes.size())
    malformed("a name lies outside its string table");
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto end = text.find('\0', static_cast<std::size_t>(offset));
  if (end == std::string_view::npos)
    malformed("a name does not end");
  return text.substr(static_cast<std::size_t>(offset), end - static_cast<std::size_t>(offset));
}

void CodeObject::read_sections() {
  const auto header = read_struct<Elf64_Ehdr>(content(0, sizeof(Elf64_Ehdr)));
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_type != ET_REL)
    malformed("this is no relocatable little-endian 64-bit ELF file");
  if (header.e_machine != EM_X86_64 && header.e_machine != EM_AARCH64)
    malformed("it is for machine {}", header.e_machine);
  machine_ = header.e_machine == EM_X86_64 ? Machine::x86_64 : Machine::aarch64;
  if (header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shstrndx >= header.e_shnum)
    malformed("the section table is malformed");

  const auto table = content(header.e_shoff, std::uint64_t{header.e_shnum} * sizeof(Elf64_Shdr));
  std::vector<std::uint32_t> names;
  for (std::size_t i = 0; i < header.e_shnum; ++i) {
    const auto raw = read_struct<Elf64_Shdr>(table.subspan(i * sizeof(Elf64_Shdr)));
    Section section;
    section.type = raw.sh_type;
    section.flags = raw.sh_flags;
    section.offset = raw.sh_offset;
    section.size = raw.sh_size;
    section.alignment = std::max<std::uint64_t>(raw.sh_addralign, 1);
    section.link = raw.sh_link;
    section.info = raw.sh_info;
    sections_.push_back(section);
    names.push_back(raw.sh_name);
  }
  for (std::size_t i = 0; i < sections_.size(); ++i)
    sections_[i].name = string_at(sections_[header.e_shstrndx], names[i]);
}

void CodeObject::choose_sections() {
  std::uint64_t total = 0;
  for (auto& section : sections_) {
    const bool unwind = section.type == SHT_X86_64_UNWIND || section.name == ".eh_frame";
    if (!(section.flags & SHF_ALLOC) || section.type == SHT_NOTE || unwind)
      continue;
    if (section.type != SHT_PROGBITS && section.type != SHT_NOBITS)
      malformed("section {} has type {}", section.name, section.type);
    if (section.flags & SHF_TLS)
      malformed("section {} is local to threads", section.name);
    if (section.alignment > kMaxAlignment || !std::has_single_bit(section.alignment))
      malformed("section {} has alignment {}", section.name, section.alignment);
    if (section.size > kMaxImageBytes || (total += section.size) > kMaxImageBytes)
      malformed("it is larger than {} bytes", kMaxImageBytes);
    if (section.type == SHT_PROGBITS)
      content(section.offset, section.size);
    section.loaded = true;
    section.part = section.flags & SHF_EXECINSTR ? code
                   : section.flags & SHF_WRITE   ? data
                                                 : constants;
  }
}

void CodeObject::read_symbols() {
  for (const auto& section : sections_) {
    if (section.type != SHT_SYMTAB)
      continue;
    if (!symbols_.empty() || section.link >= sections_.size())
      malformed("the symbol table is malformed");
    const auto table = content(section.offset, section.size);
    for (std::size_t at = 0; table.size() - at >= sizeof(Elf64_Sym); at += sizeof(Elf64_Sym)) {
      const auto raw = read_struct<Elf64_Sym>(table.subspan(at));
      Symbol symbol;
      symbol.name = string_at(sections_[section.link], raw.st_name);
      symbol.value = raw.st_value;
      symbol.section = raw.st_shndx;
      symbol.function = ELF64_ST_TYPE(raw.st_info) == STT_FUNC;
      symbols_.push_back(symbol);
    }
  }
}

void CodeObject::read_relocations() {
  for (const auto& section : sections_) {
    if (section.type != SHT_RELA && section.type != SHT_REL)
      continue;
    if (section.info >= sections_.size())
      malformed("section {} relocates no section", section.name);
    const Section& changed = sections_[section.info];
    if (!changed.loaded)
      continue;
    if (section.type == SHT_REL || changed.type != SHT_PROGBITS)
      malformed("section {} has relocations of a kind not known", changed.name);
    const auto table = content(section.offset, section.size);
    for (std::size_t at = 0; table.size() - at >= sizeof(Elf64_Rela); at += sizeof(Elf64_Rela)) {
      const auto raw = read_struct<Elf64_Rela>(table.subspan(at));
      const Relocation relocation{
          section.info, raw.r_offset, static_cast<std::uint32_t>(ELF64_R_TYPE(raw.r_info)),
          static_cast<std::uint32_t>(ELF64_R_SYM(raw.r_info)), raw.r_addend};
      const auto* rule = relocation_rule(machine_, relocation.type);
      if (!rule)
        malformed("relocation type {} in section {} is not known", relocation.type, changed.name);
      if (relocation.symbol >= symbols_.size() || relocation.offset > changed.size ||
          rule->bytes > changed.size - relocation.offset)
        malformed("a relocation in section {} points outside", changed.name);
      relocations_.push_back(relocation);
    }
  }
}

void CodeObject::reserve_slots() {
  for (const auto& relocation : relocations_) {
    const auto target = relocation_rule(machine_, relocation.type)->target;
    const bool outside = symbols_[relocation.symbol].section == SHN_UNDEF;
    if (target == RelocationTarget::call && outside)
      stubs_.emplace(relocation.symbol, stubs_.size());
    if (target == RelocationTarget::pointer)
      pointers_.emplace(relocation.symbol, pointers_.size());
  }
}

void CodeObject::lay_out(std::size_t page) {
  std::size_t begin = 0;
  for (const Part part : {code, constants, data}) {
    std::size_t end = begin;
    for (auto& section : sections_) {
      if (!section.loaded || section.part != part)
        continue;
      section.place = round_up(end, static_cast<std::size_t>(section.alignment));
      end = section.place + static_cast<std::size_t>(section.size);
    }
    auto& slots = part == code ? stubs_ : pointers_;
    const std::size_t slot_bytes = part == code ? kStubBytes : kPointerBytes;
    if (part != data) {
      end = round_up(end, slot_bytes);
      for (auto& [symbol, place] : slots)
        place = end + place * slot_bytes;
      end += slots.size() * slot_bytes;
    }
    part_bytes_[part] = round_up(end - begin, page);
    begin += part_bytes_[part];
  }
}

std::uint64_t CodeObject::symbol_address(std::uint32_t number, std::uint64_t address,
                                         const Resolve& resolve) const {
  const Symbol& symbol = symbols_[number];
  if (symbol.section == SHN_UNDEF) {
    if (const auto found = symbol.name.empty() ? 0 : resolve(symbol.name))
      return found;
    throw Error(ErrorCode::unsupported,
                fmt::format("the host object needs '{}', which no kernel may call", symbol.name));
  }
  if (symbol.section >= sections_.size() || !sections_[symbol.section].loaded ||
      symbol.value > sections_[symbol.section].size)
    malformed("symbol '{}' lies outside the code", symbol.name);
  return address + sections_[symbol.section].place + symbol.value;
}

std::uint64_t CodeObject::address_of(const Relocation& relocation, std::uint64_t address,
                                     const Resolve& resolve) const {
  const auto target = relocation_rule(machine_, relocation.type)->target;
  if (target == RelocationTarget::pointer)
    return address + pointers_.at(relocation.symbol);
  if (target == RelocationTarget::call && stubs_.contains(relocation.symbol))
    return address + stubs_.at(relocation.symbol);
  return symbol_address(relocation.symbol, address, resolve);
}

void CodeObject::write_slots(std::span<std::byte> image, std::uint64_t address,
                             const Resolve& resolve) const {
  // jmp *2(%rip); ud2 / ldr x16, 8; br x16. The address follows.
  const std::uint64_t jump = machine_ == Machine::x86_64 ? 0x0b0f0000000225ff : 0xd61f020058000050;
  for (const auto& [symbol, place] : stubs_) {
    put(image, place, jump);
    put(image, place + 8, symbol_address(symbol, address, resolve));
  }
  for (const auto& [symbol, place] : pointers_)
    put(image, place, symbol_address(symbol, address, resolve));
}

void CodeObject::link(std::span<std::byte> image, std::uint64_t address,
                      const Resolve& resolve) const {
  if (image.size() != image_bytes())
    malformed("the image has {} bytes of {}", image.size(), image_bytes());
  for (const auto& section : sections_) {
    if (!section.loaded || section.type != SHT_PROGBITS)
      continue;
    const auto bytes = content(section.offset, section.size);
    std::copy(bytes.begin(), bytes.end(),
              image.begin() + static_cast<std::ptrdiff_t>(section.place));
  }
  write_slots(image, address, resolve);
  for (const auto& relocation : relocations_) {
    const auto* rule = relocation_rule(machine_, relocation.type);
    if (rule->target == RelocationTarget::nothing)
      continue;
    const std::size_t place =
        sections_[relocation.section].place + static_cast<std::size_t>(relocation.offset);
    const std::uint64_t to =
        address_of(relocation, address, resolve) + static_cast<std::uint64_t>(relocation.addend);
    if (!rule->apply(image.data() + place, address + place, to))
      malformed("relocation type {} to '{}' is out of range", relocation.type,
                symbols_[relocation.symbol].name);
  }
}

std::size_t CodeObject::offset_of(std::string_view name) const {
  for (const auto& symbol : symbols_) {
    if (symbol.name != name || !symbol.function || symbol.section >= sections_.size())
      continue;
    const Section& section = sections_[symbol.section];
    if (section.loaded && section.part == code && symbol.value < section.size)
      return section.place + static_cast<std::size_t>(symbol.value);
  }
  malformed("it has no function '{}'", name);
}

} // namespace swage::host
