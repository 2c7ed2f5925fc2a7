# check_add_subdirectory.cmake -- configures a project that holds Swage as a subdirectory: only the
# library is made, under its public name.
#   cmake -DSOURCE=... -DSCRATCH=... -DGENERATOR=Ninja -P check_add_subdirectory.cmake
file(REMOVE_RECURSE ${SCRATCH})
execute_process(COMMAND ${CMAKE_COMMAND} -G ${GENERATOR} -S ${SOURCE}/tests/package/add_subdirectory -B ${SCRATCH}
    -DSWAGE_SOURCE=${SOURCE}
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
