// code_object.hpp -- relocatable ELF object files, read with distrust and linked by hand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string_view>
#include <vector>

namespace swage::host {

/// A relocatable object for x86-64 or AArch64 as LLVM emits it for one kernel: code, constants, and
/// the relocations between them. Unwind tables and debug information are left out. Parsing and
/// linking read nothing outside the object and write nothing outside the image, whatever the bytes;
/// what is malformed or not known throws Error(internal).
class CodeObject {
public:
  enum class Machine : std::uint8_t { x86_64, aarch64 };

  /// The address of a function outside the object; 0 if it may not be called.
  using Resolve = std::function<std::uint64_t(std::string_view name)>;

  /// `object` must outlive the result. `page` is the page size to lay the image out for.
  CodeObject(std::span<const std::byte> object, std::size_t page);

  Machine machine() const noexcept { return machine_; }

  /// The image is three parts, each a whole number of pages: code; constants; data.
  std::size_t code_bytes() const noexcept { return part_bytes_[code]; }
  std::size_t constant_bytes() const noexcept { return part_bytes_[constants]; }
  std::size_t data_bytes() const noexcept { return part_bytes_[data]; }
  std::size_t image_bytes() const noexcept {
    return code_bytes() + constant_bytes() + data_bytes();
  }

  /// Fills `image`, zeroed and of image_bytes(), to run at `address`. Throws Error(unsupported)
  /// if the object calls what `resolve` does not know.
  void link(std::span<std::byte> image, std::uint64_t address, const Resolve& resolve) const;

  /// Where in the image the function `name` begins.
  std::size_t offset_of(std::string_view name) const;

private:
  enum Part { code, constants, data, kParts };

  struct Section {
    std::uint32_t type = 0;
    std::uint64_t flags = 0, offset = 0, size = 0, alignment = 0;
    std::uint32_t link = 0, info = 0;
    std::string_view name;
    bool loaded = false;
    Part part = code;
    std::size_t place = 0; ///< offset in the image, once laid out
  };
  struct Symbol {
    std::string_view name;
    std::uint64_t value = 0;
    std::uint16_t section = 0;
    bool function = false;
  };
  struct Relocation {
    std::size_t section; ///< that it changes
    std::uint64_t offset;
    std::uint32_t type;
    std::uint32_t symbol;
    std::int64_t addend;
  };

  void read_sections();
  void choose_sections();
  void read_symbols();
  void read_relocations();
  void reserve_slots();
  void lay_out(std::size_t page);
  void write_slots(std::span<std::byte> image, std::uint64_t address, const Resolve& resolve) const;
  std::uint64_t address_of(const Relocation& relocation, std::uint64_t address,
                           const Resolve& resolve) const;
  std::uint64_t symbol_address(std::uint32_t number, std::uint64_t address,
                               const Resolve& resolve) const;

  std::span<const std::byte> content(std::uint64_t offset, std::uint64_t size) const;
  std::string_view string_at(const Section& table, std::uint64_t offset) const;

  std::span<const std::byte> object_;
  Machine machine_ = Machine::x86_64;
  std::vector<Section> sections_;
  std::vector<Symbol> symbols_;
  std::vector<Relocation> relocations_;
  /// Symbols that are reached through a jump in the code part, and those whose address lies in the
  /// constants, each to its place: first a number, once laid out an offset in the image.
  std::map<std::uint32_t, std::size_t> stubs_, pointers_;
  std::size_t part_bytes_[kParts] = {};
};

} // namespace swage::host
