# check_includes.cmake -- fails when a file includes against the dependency line
#   ir <- codegen <- runtime <- cli,  kernels on its own, used by runtime and cli,
# or a third-party header where it does not belong.
#   cmake -DROOT=<source directory> -P check_includes.cmake

cmake_minimum_required(VERSION 3.25)

set(may_include_ir ir)
set(may_include_codegen ir codegen)
set(may_include_runtime ir codegen runtime kernels)
set(may_include_cli ir codegen runtime kernels cli)
set(may_include_kernels kernels)
set(folders ir codegen runtime cli kernels)
set(violations "")

foreach(folder IN LISTS folders)
  file(GLOB_RECURSE sources RELATIVE ${ROOT}
    ${ROOT}/${folder}/*.cpp ${ROOT}/${folder}/*.hpp ${ROOT}/${folder}/*.h
    ${ROOT}/${folder}/*.def ${ROOT}/${folder}/*.inc)
  foreach(source IN LISTS sources)
    file(STRINGS ${ROOT}/${source} includes REGEX "^[ \t]*#[ \t]*include[ \t]*[<\"]")
    foreach(line IN LISTS includes)
      string(REGEX REPLACE "^[ \t]*#[ \t]*include[ \t]*[<\"]([^>\"]+)[>\"].*" "\\1" header "${line}")
      string(REGEX MATCH "^[^/]+" top "${header}")
      if(top IN_LIST folders AND NOT top IN_LIST may_include_${folder})
        list(APPEND violations "${source} includes ${header}: ${folder} must not know ${top}")
      endif()
      if(header MATCHES "^llvm(-c)?/" AND NOT folder STREQUAL "codegen")
        list(APPEND violations "${source} includes ${header}: LLVM stays inside codegen")
      endif()
      if(header MATCHES "^(cuda|cuda_runtime|nvrtc|cuda_runtime_api)\\.h$")
        list(APPEND violations "${source} includes ${header}: the CUDA toolkit is never needed")
      endif()
      if(header MATCHES "^swage/swage\\.(h|hpp)$" AND NOT folder MATCHES "^(runtime|cli)$")
        list(APPEND violations "${source} includes ${header}: the public API is runtime's")
      endif()
    endforeach()
  endforeach()
endforeach()

file(GLOB public_headers RELATIVE ${ROOT} ${ROOT}/include/swage/*)
foreach(source IN LISTS public_headers)
  file(STRINGS ${ROOT}/${source} includes REGEX "^[ \t]*#[ \t]*include[ \t]*[<\"]")
  foreach(line IN LISTS includes)
    string(REGEX REPLACE "^[ \t]*#[ \t]*include[ \t]*[<\"]([^>\"]+)[>\"].*" "\\1" header "${line}")
    if(NOT header MATCHES "^[a-z_]+(\\.h)?$" AND NOT header MATCHES "^swage/")
      list(APPEND violations "${source} includes ${header}: public headers include nobody else's")
    endif()
  endforeach()
endforeach()

if(violations)
  list(JOIN violations "\n  " text)
  message(FATAL_ERROR "includes against the dependency line:\n  ${text}")
endif()
