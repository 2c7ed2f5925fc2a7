# check_engine.cmake -- builds examples/engine outside the project in one of the ways that users do, runs
# it, and looks at what it links.
#   cmake -DWAY=shared|static|source|pkg_config -DBUILD=... -DSOURCE=... -DSCRATCH=... -DGENERATOR=Ninja
#         -DCXX=g++ -DREADELF=readelf -DNM=nm -DSTRIP=strip -P check_engine.cmake
file(REMOVE_RECURSE ${SCRATCH})
set(prefix ${SCRATCH}/prefix)
if(NOT WAY STREQUAL "source")
  execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix}
    OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endif()
if(WAY STREQUAL "pkg_config")
  file(COPY ${SOURCE}/examples/engine/ DESTINATION ${SCRATCH}/build)
  file(GLOB_RECURSE pc ${prefix}/swage-runtime.pc)
  get_filename_component(pc ${pc} DIRECTORY)
  set(ENV{PKG_CONFIG_PATH} ${pc})
  set(ENV{PATH} ${prefix}/bin:$ENV{PATH})
  execute_process(COMMAND make engine CXX=${CXX} WORKING_DIRECTORY ${SCRATCH}/build
    OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
else()
  set(options -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_BUILD_TYPE=Release)
  if(WAY STREQUAL "source")
    set(options -DSWAGE_SOURCE=${SOURCE} -DSWAGE_COMMAND=${BUILD}/swage -DCMAKE_BUILD_TYPE=Debug)
  elseif(WAY STREQUAL "static")
    list(APPEND options -DENGINE_STATIC=ON)
  endif()
  execute_process(COMMAND ${CMAKE_COMMAND} -G ${GENERATOR} -S ${SOURCE}/examples/engine
      -B ${SCRATCH}/build -DCMAKE_CXX_COMPILER=${CXX} ${options}
    OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  # Building the runtime anew takes minutes: `scripts/test.sh --full` does.
  if(WAY STREQUAL "source" AND NOT DEFINED ENV{SWAGE_TEST_SOURCE_BUILD})
    return()
  endif()
  execute_process(COMMAND ${CMAKE_COMMAND} --build ${SCRATCH}/build --target engine
    OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endif()

set(ENV{SWAGE_CACHE_DIR} "")
execute_process(COMMAND ${SCRATCH}/build/engine COMMAND_ERROR_IS_FATAL ANY)

# No LLVM, in what it links or in what it holds; and no more than a library of a megabyte.
file(GLOB_RECURSE libraries ${prefix}/*/libswage_runtime.so ${SCRATCH}/build/*/libswage_runtime.so)
set(total 0)
foreach(file ${SCRATCH}/build/engine ${libraries})
  file(REAL_PATH ${file} real)
  execute_process(COMMAND ${READELF} -d ${real} OUTPUT_VARIABLE needed COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${NM} -C ${real} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  if(needed MATCHES "LLVM" OR symbols MATCHES "llvm::")
    message(FATAL_ERROR "${file} has LLVM in it")
  endif()
  execute_process(COMMAND ${STRIP} -o ${SCRATCH}/stripped ${real} COMMAND_ERROR_IS_FATAL ANY)
  file(SIZE ${SCRATCH}/stripped size)
  message(STATUS "${file}: ${size} bytes stripped")
  # But for the catalogue's text.
  set(code ${size})
  file(GLOB texts ${SOURCE}/kernels/*.swg)
  foreach(text IN LISTS texts)
    file(SIZE ${text} text_size)
    math(EXPR code "${code} - ${text_size}")
  endforeach()
  if(file MATCHES "libswage_runtime" AND WAY STREQUAL "shared" AND code GREATER 1450000)
    message(FATAL_ERROR "libswage_runtime.so has ${code} bytes stripped beside the catalogue's "
                        "text, more than 1.45 MB")
  endif()
  if(NOT WAY STREQUAL "static" OR file MATCHES "engine$")
    math(EXPR total "${total} + ${size}")
  endif()
endforeach()
if(NOT WAY STREQUAL "source" AND total GREATER 2500000)
  message(FATAL_ERROR "the engine has ${total} bytes stripped, more than 2.5 MB")
endif()
