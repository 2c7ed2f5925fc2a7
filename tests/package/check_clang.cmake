# check_clang.cmake -- configures Swage with Clang 16 or newer, and builds ir and the launch path with
# our warnings as errors. scripts/clang.sh builds everything so.
#   cmake -DSOURCE=... -DCXX=clang++-22 -DSCRATCH=... -DGENERATOR=Ninja -P check_clang.cmake
string(REPLACE "clang++" "clang" C ${CXX})
execute_process(COMMAND ${CMAKE_COMMAND} -G ${GENERATOR} -S ${SOURCE} -B ${SCRATCH}
    -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_C_COMPILER=${C} -DCMAKE_BUILD_TYPE=Debug -DSWAGE_WERROR=ON
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${SCRATCH} --target swage_ir swage_runtime_launch
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
