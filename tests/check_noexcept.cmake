# check_noexcept.cmake -- no function that makes a string, a list or a function object is noexcept:
# what allocates throws where memory runs out, and noexcept ends the process there. (The rule is in
# docs/architecture.md; tests/allocation finds what a pattern cannot.)
file(GLOB_RECURSE files RELATIVE ${ROOT} ${ROOT}/ir/*.?pp ${ROOT}/codegen/*.?pp ${ROOT}/kernels/*.?pp
  ${ROOT}/runtime/*.?pp ${ROOT}/cli/*.?pp ${ROOT}/include/*.?pp)
set(makes "(std::string|std::vector<[^;{}()]*>|std::function<[^;{}]*>|std::shared_ptr<[^;{}()]*>|std::filesystem::path|Json)")
set(found "")
foreach(file IN LISTS files)
  file(READ ${ROOT}/${file} text)
  string(REGEX MATCHALL "\n[ ]*(static |inline |constexpr )*${makes} [A-Za-z_:]+\\([^;{}]*\\) (const )?noexcept" matches "${text}")
  foreach(match IN LISTS matches)
    string(STRIP "${match}" match)
    string(APPEND found "${file}: ${match}\n")
  endforeach()
endforeach()
if(found)
  message(FATAL_ERROR "functions that allocate are noexcept; drop it:\n${found}")
endif()
