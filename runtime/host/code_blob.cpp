// code_blob.cpp -- a host object file made executable in this process, without LLVM.
#include "runtime/host/code_blob.hpp"

#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstring>

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/base/file.hpp"
#include "runtime/host/code_object.hpp"
#include "swage/error.hpp"

namespace swage::host {
namespace {

#if defined(__x86_64__)
constexpr auto kThisMachine = CodeObject::Machine::x86_64;
#elif defined(__aarch64__)
constexpr auto kThisMachine = CodeObject::Machine::aarch64;
#else
#error "Swage runs on x86-64 and AArch64"
#endif

struct Callable {
  std::string_view name;
  void* address;
};

template <class Function>
void* address_of(Function* function) {
  return reinterpret_cast<void*>(function);
}

// What LLVM calls where the CPU has no instruction: fma and rounding on old x86-64, and block
// copies that it recognises in loops.
const Callable* callables(std::size_t& count) {
  static const Callable table[] = {
      {"memcpy", address_of<void*(void*, const void*, std::size_t)>(std::memcpy)},
      {"memmove", address_of<void*(void*, const void*, std::size_t)>(std::memmove)},
      {"memset", address_of<void*(void*, int, std::size_t)>(std::memset)},
      {"fma", address_of<double(double, double, double)>(::fma)},
      {"fmaf", address_of<float(float, float, float)>(::fmaf)},
      {"floor", address_of<double(double)>(::floor)},
      {"floorf", address_of<float(float)>(::floorf)},
      {"ceil", address_of<double(double)>(::ceil)},
      {"ceilf", address_of<float(float)>(::ceilf)},
      {"trunc", address_of<double(double)>(::trunc)},
      {"truncf", address_of<float(float)>(::truncf)},
      {"rint", address_of<double(double)>(::rint)},
      {"rintf", address_of<float(float)>(::rintf)},
      {"nearbyint", address_of<double(double)>(::nearbyint)},
      {"nearbyintf", address_of<float(float)>(::nearbyintf)},
      // The same as rounding by mode: kernels run with rounding to nearest even.
      {"roundeven", address_of<double(double)>(::nearbyint)},
      {"roundevenf", address_of<float(float)>(::nearbyintf)},
  };
  count = std::size(table);
  return table;
}

std::uint64_t resolve(std::string_view name) {
  std::size_t count = 0;
  const Callable* table = callables(count);
  for (std::size_t i = 0; i < count; ++i)
    if (table[i].name == name)
      return reinterpret_cast<std::uint64_t>(table[i].address);
  return 0;
}

void protect(std::byte* from, std::size_t bytes, int rights) {
  if (bytes != 0 && ::mprotect(from, bytes, rights) != 0)
    throw Error(ErrorCode::unsupported,
                fmt::format("the system does not let this process make code at run time "
                            "(mprotect: {}); allow executable memory",
                            base::error_text(errno)));
}

} // namespace

std::shared_ptr<const CodeBlob> CodeBlob::load(std::span<const std::byte> bytes,
                                               std::string_view entry) {
  const CodeObject object(bytes, static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
  if (object.machine() != kThisMachine)
    throw Error(ErrorCode::internal, "the host object is for another machine than this one");
  const std::size_t offset = object.offset_of(entry);

  const std::shared_ptr<CodeBlob> blob(new CodeBlob);
  const std::size_t size = object.image_bytes();
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    throw Error(ErrorCode::out_of_memory, fmt::format("no memory for {} bytes of host code: {}",
                                                      size, base::error_text(errno)));
  blob->memory_ = memory;
  blob->bytes_ = size;
  auto* base = static_cast<std::byte*>(memory);
  object.link({base, size}, reinterpret_cast<std::uint64_t>(base), resolve);

  char* code = static_cast<char*>(memory);
  __builtin___clear_cache(code, code + object.code_bytes());
  protect(base, object.code_bytes(), PROT_READ | PROT_EXEC);
  protect(base + object.code_bytes(), object.constant_bytes(), PROT_READ);
  blob->entry_ = base + offset;
  return blob;
}

CodeBlob::~CodeBlob() {
  if (memory_)
    ::munmap(memory_, bytes_);
}

} // namespace swage::host
