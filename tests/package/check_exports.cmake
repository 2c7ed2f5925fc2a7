# check_exports.cmake -- fails when libswage.so exports anything but its public API.
#   cmake -DNM=nm -DLIBRARY=libswage.so -P check_exports.cmake
execute_process(COMMAND ${NM} -DC --defined-only ${LIBRARY}
  OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE ";" " " symbols "${symbols}")
string(REGEX MATCHALL "[^\n]+" symbols "${symbols}")
set(strangers "")
foreach(symbol IN LISTS symbols)
  if(NOT symbol MATCHES " [TVW] (swage_|swage::(version|configure|cache_statistics|unload_unused|Buffer::|Device::|Kernel::)|(typeinfo|typeinfo name|vtable) for swage::Error)")
    string(APPEND strangers "\n  ${symbol}")
  endif()
endforeach()
if(strangers)
  message(FATAL_ERROR "exported, but not public:${strangers}")
endif()
