# tests.cmake -- the tests of the package, on the libswage.so of this build.
find_package(Python3 3.10 COMPONENTS Interpreter)
# One that has NumPy: the first on the PATH may be another than the distribution's.
foreach(candidate IN ITEMS ${Python3_EXECUTABLE} /usr/bin/python3)
  execute_process(COMMAND ${candidate} -c "import numpy" RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
  if(status EQUAL 0)
    set(python ${candidate})
    break()
  endif()
endforeach()
if(NOT python)
  message(STATUS "No Python 3.10 or later with NumPy: its tests are left out (scripts/setup.sh installs it)")
  return()
endif()

set(SWAGE_TORCH_PYTHON ${python} CACHE FILEPATH "The Python that has PyTorch, for the tests of it")

# swage_python_test(FILE "what it shows" NAME=VALUE ...)
function(swage_python_test file behaviour)
  set(name "python: ${behaviour}")
  set(interpreter ${python})
  if(file MATCHES "torch|ml_dtypes")
    set(interpreter ${SWAGE_TORCH_PYTHON})
  endif()
  add_test(NAME ${name} COMMAND ${interpreter} ${CMAKE_CURRENT_LIST_DIR}/tests/${file}.py)
  set(environment "PYTHONPATH=${CMAKE_CURRENT_LIST_DIR}" "SWAGE_LIBRARY=$<TARGET_FILE:swage>"
    "SWAGE_TORCH_OPERATORS=$<TARGET_FILE:swage_torch_operators>"
    "PYTHONPYCACHEPREFIX=${CMAKE_CURRENT_BINARY_DIR}/bytecode" SWAGE_CACHE_DIR= SWAGE_TUNING_DIR=
    ${ARGN})
  set_tests_properties(${name} PROPERTIES TIMEOUT 900 SKIP_RETURN_CODE 77
    ENVIRONMENT "${environment}")
endfunction()
swage_python_test(test_calls "kernels are called on NumPy's arrays")
swage_python_test(test_errors "a wrong call raises an error that names the parameter")
swage_python_test(test_dlpack "capsules of DLPack are given back once")
swage_python_test(test_packed "arrays of bytes that hold two elements")
swage_python_test(ml_dtypes_test "arrays of NumPy of the types of ml_dtypes, where there is ml_dtypes")
swage_python_test(test_valid_rows "counts of rows with kernels of both directions, on the CPU and the double of the driver"
  SWAGE_LIBCUDA_PATH=$<TARGET_FILE:fake_cuda>)
swage_python_test(test_process "imports, forks, threads, settings and the interpreter's end")
swage_python_test(test_docs "docs/python.md and the README print what they say")
swage_python_test(test_cuda "arrays of two GPUs, on the double of the driver"
  SWAGE_LIBCUDA_PATH=$<TARGET_FILE:fake_cuda> SWAGE_FAKE_CUDA_DEVICES=2)
swage_python_test(test_torch "kernels are called on PyTorch's tensors, where there is PyTorch")
swage_python_test(torch_operators_test "operators of PyTorch, where there is PyTorch")
swage_python_test(torch_quantised_test "operators of quantised kernels, where there is PyTorch")
swage_python_test(torch_valid_rows_test "operators with counts of rows, where there is PyTorch")
swage_python_test(torch_pickle_test "operators in copies of models, files and other processes, where there is PyTorch")
swage_python_test(torch_direct_test "plain calls past PyTorch's dispatcher, where there is PyTorch")
swage_python_test(torch_compat_test "functions of other projects, where there is PyTorch")
swage_python_test(torch_registries_test "registries of other projects, where there is PyTorch")
swage_python_test(torch_sharding_test "sharded tensors, where there is PyTorch")
swage_python_test(torch_docs_test "docs/pytorch.md prints what it says, where there is PyTorch")
