# options.cmake -- compile options of the project's own code.
add_library(swage_options INTERFACE)
target_compile_options(swage_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
  $<$<BOOL:${SWAGE_WERROR}>:-Werror>
  # GCC 12 sees overlaps in std::string's operator+ that are not there (GCC bug 105651).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
  # Clang 17 and later tell of std::get_temporary_buffer within GCC 12's std::stable_sort.
  $<$<CXX_COMPILER_ID:Clang>:-Wno-deprecated-declarations>
  # No contraction and no fast maths in our own code: the evaluator's bits are the reference.
  -ffp-contract=off)
target_include_directories(swage_options INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
if(SWAGE_SANITIZE STREQUAL thread)
  target_compile_options(swage_options INTERFACE -fsanitize=thread -fno-omit-frame-pointer
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_link_options(swage_options INTERFACE -fsanitize=thread)
elseif(SWAGE_SANITIZE)
  target_compile_options(swage_options INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
    # GCC 12 with sanitizers takes std::regex for uninitialised (GCC bug 105562).
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_link_options(swage_options INTERFACE -fsanitize=address,undefined)
endif()

# swage_unity(TARGET FILE...) has files of a target compiled together, where SWAGE_UNITY asks for it; but
# those named, which have names in common with others beside them.
function(swage_unity target)
  if(SWAGE_UNITY)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON)
    set_source_files_properties(${ARGN} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  endif()
endfunction()

# One target a folder: swage_folder(ir LINKS ...) makes swage_ir of every source file beside it, and
# in the folders below that FOLDERS names.
function(swage_folder name)
  cmake_parse_arguments(arg "" "" "FOLDERS;LINKS;PRIVATE_LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  foreach(folder IN LISTS arg_FOLDERS)
    file(GLOB more CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cpp)
    list(APPEND sources ${more})
  endforeach()
  if(NOT sources)
    return()
  endif()
  add_library(swage_${name} STATIC ${sources})
  target_link_libraries(swage_${name} PUBLIC ${arg_LINKS} PRIVATE swage_options ${arg_PRIVATE_LINKS})
  target_include_directories(swage_${name} PUBLIC ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
endfunction()
