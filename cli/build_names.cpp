// build_names.cpp -- what the headers of `swage build` call what they declare.
#include "cli/build_names.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>

#include <fmt/format.h>

#include "swage/error.hpp"

namespace swage::cli {

namespace {

using Names = std::set<std::string_view>;

const Names& keywords() {
  static const Names kNames = {
      "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break",
      "case", "catch", "char", "char16_t", "char32_t", "char8_t", "class", "co_await", "co_return",
      "co_yield", "compl", "concept", "const", "const_cast", "consteval", "constexpr", "constinit",
      "continue", "decltype", "default", "delete", "do", "double", "dynamic_cast", "else", "enum",
      "explicit", "export", "extern", "false", "float", "for", "friend", "goto", "if", "inline",
      "int", "long", "mutable", "namespace", "new", "noexcept", "not", "not_eq", "nullptr",
      "operator", "or", "or_eq", "private", "protected", "public", "register", "reinterpret_cast",
      "requires", "restrict", "return", "short", "signed", "sizeof", "static", "static_assert",
      "static_cast", "struct", "switch", "template", "this", "thread_local", "throw", "true", "try",
      "typedef", "typeid", "typename", "typeof", "union", "unsigned", "using", "virtual", "void",
      "volatile", "wchar_t", "while", "xor", "xor_eq",
      // Macros of C's headers and of GNU's dialects:
      "EOF", "I", "INFINITY", "NAN", "NULL", "assert", "complex", "errno", "i386", "imaginary",
      "linux", "noreturn", "offsetof", "stderr", "stdin", "stdout", "unix"};
  return kNames;
}

/// Functions and types that C's and POSIX's headers declare outside any namespace: of one word, as
/// a file may be called.
const Names& global_names() {
  static const Names kNames = {
      "abort",     "abs",       "accept",   "access",    "acos",     "acosh",    "alarm",
      "asin",      "asinh",     "atan",     "atan2",     "atanh",    "atexit",   "atof",
      "atoi",      "atol",      "bcmp",     "bcopy",     "bind",     "brk",      "bsearch",
      "bzero",     "calloc",    "cbrt",     "ceil",      "chdir",    "chmod",    "chown",
      "clearerr",  "clock",     "clone",    "close",     "connect",  "copysign", "cos",
      "cosh",      "creat",     "ctime",    "daemon",    "difftime", "div",      "drem",
      "dup",       "dup2",      "environ",  "erand48",   "erf",      "erfc",     "exec",
      "exit",      "exp",       "exp10",    "exp2",      "expm1",    "fabs",     "fclose",
      "fdim",      "feof",      "ferror",   "fflush",    "ffs",      "fgetc",    "fgets",
      "finite",    "floor",     "fma",      "fmax",      "fmin",     "fmod",     "fopen",
      "fork",      "fprintf",   "fputc",    "fputs",     "fread",    "free",     "frexp",
      "fscanf",    "fseek",     "fsync",    "ftell",     "fwrite",   "gamma",    "getc",
      "getchar",   "getenv",    "getline",  "getopt",    "gets",     "getw",     "gmtime",
      "hypot",     "ilogb",     "index",    "ioctl",     "isalnum",  "isalpha",  "isdigit",
      "isfinite",  "isinf",     "isnan",    "isspace",   "j0",       "j1",       "jn",
      "jrand48",   "kill",      "labs",     "ldexp",     "ldiv",     "lgamma",   "link",
      "listen",    "llabs",     "llround",  "localtime", "lockf",    "log",      "log10",
      "log1p",     "log2",      "logb",     "logf",      "logl",     "lrand48",  "lrint",
      "lround",    "lseek",     "main",     "malloc",    "memchr",   "memcmp",   "memcpy",
      "memmove",   "memset",    "mktime",   "mmap",      "modf",     "mount",    "nan",
      "nanosleep", "nearbyint", "nice",     "nrand48",   "open",     "optarg",   "optind",
      "pause",     "perror",    "pipe",     "poll",      "pow",      "pow10",    "printf",
      "profil",    "putc",      "putchar",  "putenv",    "puts",     "qsort",    "raise",
      "rand",      "random",    "read",     "readlink",  "realloc",  "recv",     "remainder",
      "remove",    "remquo",    "rename",   "rewind",    "rindex",   "rint",     "rmdir",
      "round",     "sbrk",      "scalb",    "scalbn",    "scanf",    "select",   "send",
      "setbuf",    "setenv",    "shutdown", "sigaction", "signal",   "signgam",  "significand",
      "sin",       "sincos",    "sinh",     "sleep",     "snprintf", "socket",   "splice",
      "sprintf",   "sqrt",      "srand",    "sscanf",    "stat",     "stime",    "strcat",
      "strchr",    "strcmp",    "strcpy",   "strdup",    "strlen",   "strncmp",  "strncpy",
      "strstr",    "strtod",    "strtok",   "strtol",    "swab",     "symlink",  "sync",
      "syscall",   "sysconf",   "system",   "tan",       "tanh",     "tee",      "tgamma",
      "time",      "times",     "timezone", "tmpfile",   "trunc",    "truncate", "umask",
      "uname",     "ungetc",    "unlink",   "unsetenv",  "usleep",   "vfork",    "wait",
      "waitpid",   "write",     "y0",       "y1",        "yn"};
  return kNames;
}

/// What compilers and their libraries have for themselves.
bool is_reserved(std::string_view name) {
  return name.size() > 1 && name[0] == '_' &&
         (name[1] == '_' || std::isupper(static_cast<unsigned char>(name[1])));
}

bool is_taken(std::string_view name) {
  return name == "std" || name == "swage" || keywords().contains(name) || is_reserved(name);
}

/// As macros are: capitals, at least two characters.
bool is_in_capitals(std::string_view name) {
  return name.size() > 1 &&
         std::ranges::none_of(name, [](unsigned char c) { return std::islower(c); });
}

/// Of the names of library and C that the functions of the headers use.
bool is_of_library(std::string_view name) {
  return name == "DLTensor" || name == "int64_t" || name == "size_t" || name.starts_with("swage_");
}

[[noreturn]] void refuse(std::string_view path, const std::string& what) {
  throw Error(ErrorCode::invalid_argument, fmt::format("-o {}: {}", path, what));
}

} // namespace

std::string identifier_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  std::string name(slash == path.npos ? path : path.substr(slash + 1));
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)))
      c = '_';
  return name.empty() || std::isdigit(static_cast<unsigned char>(name[0])) ? "_" + name : name;
}

std::string output_identifier(std::string_view path) {
  if (path.empty() || path.ends_with('/'))
    refuse(path, "names a folder; give the files a name too, as in -o build/kernels");
  for (const std::string_view end :
       std::array{".o", ".a", ".so", ".c", ".cc", ".cpp", ".h", ".hpp"})
    if (path.ends_with(end))
      refuse(path,
             fmt::format("give the path without its end, as in -o {}, to which .o (with "
                         "--source .c), .hpp and .h are added",
                         path.size() == end.size() ? "kernels"
                                                   : path.substr(0, path.size() - end.size())));
  const std::string name = identifier_of(path);
  const bool is_ours = name.starts_with("swage_");
  if (is_taken(name) || is_ours || global_names().contains(name))
    refuse(path, fmt::format("the headers declare a namespace '{0}' and names that begin with "
                             "'{0}_', but '{0}' is {1}; choose another name, as in -o {2}_kernels",
                             name,
                             is_ours || name == "swage" ? "for the library's own names"
                                                        : "a word that C or C++ has already",
                             is_ours || name == "swage" ? "my" : path));
  return name;
}

std::string parameter_name(const std::string& name) {
  return is_taken(name) || is_in_capitals(name) || is_of_library(name) || name.ends_with('_')
             ? name + '_'
             : name;
}

std::string class_name(const std::string& name) {
  // `detail` is a namespace of the header, `handle` a member of each class.
  return is_taken(name) || name == "detail" || name == "handle" || name.ends_with('_') ? name + '_'
                                                                                       : name;
}

} // namespace swage::cli
