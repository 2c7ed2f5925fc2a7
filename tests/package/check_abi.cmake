# check_abi.cmake -- fails when a library no longer exports what its ABI number promised. A symbol that is
# to go, or changes its parameters, takes a new SWAGE_ABI_VERSION (include/swage/version.h) and a new
# list, made with: nm -DC --defined-only libswage_runtime.so | awk '{$1="";$2="";print substr($0,3)}' | sort -u
#   cmake -DNM=nm -DLIBRARY=libswage.so -DSYMBOLS=abi_1.symbols -P check_abi.cmake
execute_process(COMMAND ${NM} -DC --defined-only ${LIBRARY}
  OUTPUT_VARIABLE exported COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE ";" " " exported "${exported}\n")
string(REPLACE "> >" ">>" exported "${exported}") # as LLVM's nm spells them
file(STRINGS ${SYMBOLS} promised)
set(missing "")
foreach(symbol IN LISTS promised)
  string(REPLACE "> >" ">>" spelled "${symbol}")
  string(FIND "${exported}" " ${spelled}\n" at)
  if(at EQUAL -1)
    string(APPEND missing "\n  ${symbol}")
  endif()
endforeach()
if(missing)
  message(FATAL_ERROR "promised by this ABI, and not exported:${missing}")
endif()
