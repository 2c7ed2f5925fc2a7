# dependencies.cmake -- third-party packages, all from the distribution.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(TBB REQUIRED)

find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED)
add_library(swage_xxhash INTERFACE)
target_include_directories(swage_xxhash SYSTEM INTERFACE ${XXHASH_INCLUDE_DIR})
target_compile_definitions(swage_xxhash INTERFACE XXH_INLINE_ALL)

# The compiler alone needs LLVM.
if(NOT SWAGE_BUILD_COMPILER)
  return()
endif()
find_package(LLVM 22.1 REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/llvm)
add_library(swage_llvm INTERFACE)
target_include_directories(swage_llvm SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS})
separate_arguments(llvm_definitions NATIVE_COMMAND ${LLVM_DEFINITIONS})
target_compile_definitions(swage_llvm INTERFACE ${llvm_definitions})
if(SWAGE_LLVM_STATIC)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    set(swage_host_backend AArch64)
  else()
    set(swage_host_backend X86)
  endif()
  llvm_map_components_to_libnames(swage_llvm_libraries
    core support passes target nvptxcodegen nvptxdesc nvptxinfo orcjit
    ${swage_host_backend}codegen ${swage_host_backend}desc ${swage_host_backend}info)
  target_link_libraries(swage_llvm INTERFACE ${swage_llvm_libraries})
else()
  target_link_libraries(swage_llvm INTERFACE LLVM)
  # The shared LLVM has back ends of other machines, too: `swage build --arch aarch64` anywhere.
  if("AArch64" IN_LIST LLVM_TARGETS_TO_BUILD AND "X86" IN_LIST LLVM_TARGETS_TO_BUILD)
    set(SWAGE_LLVM_FOREIGN ON)
    target_compile_definitions(swage_llvm INTERFACE SWAGE_LLVM_FOREIGN)
  endif()
endif()
