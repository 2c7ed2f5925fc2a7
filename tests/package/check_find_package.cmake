# check_find_package.cmake -- installs a build and builds and runs a program against it.
#   cmake -DBUILD=... -DSOURCE=... -DSCRATCH=... -DGENERATOR=Ninja -P check_find_package.cmake
file(REMOVE_RECURSE ${SCRATCH})
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${SCRATCH}/prefix
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} -G ${GENERATOR} -S ${SOURCE}/tests/package/find_package -B ${SCRATCH}/build
    -DCMAKE_PREFIX_PATH=${SCRATCH}/prefix -DEXAMPLES=${SOURCE}/examples
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${SCRATCH}/build
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
set(ENV{SWAGE_CACHE_DIR} "")
set(ENV{SWAGE_DEVICE} "cpu")
execute_process(COMMAND ${SCRATCH}/build/embed_kernel_string COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${SCRATCH}/build/c_api COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${SCRATCH}/build/embed_statically COMMAND_ERROR_IS_FATAL ANY)
foreach(program embed_kernel_string embed_statically)
  execute_process(COMMAND ldd ${SCRATCH}/build/${program}
    OUTPUT_VARIABLE ${program}_needs COMMAND_ERROR_IS_FATAL ANY)
endforeach()
if(NOT embed_kernel_string_needs MATCHES "libswage" OR embed_statically_needs MATCHES "libswage")
  message(FATAL_ERROR "the archive is not what was linked:\n${embed_statically_needs}")
endif()
