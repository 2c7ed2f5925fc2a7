# wheel.cmake -- libraries and the command of the wheel, into the package beside its Python files.
set(SWAGE_TORCH_INCLUDE "" CACHE PATH
  "The folder of PyTorch's headers (torch/include), for the operators of swage.torch")

# A wheel holds no symbolic links, and one version: the library is libswage.so to who links with it.
set_property(TARGET swage PROPERTY VERSION)
set_property(TARGET swage PROPERTY SOVERSION)

add_custom_target(swage_wheel)
add_dependencies(swage_wheel swage swage_cli)
install(TARGETS swage LIBRARY DESTINATION swage COMPONENT python)
install(TARGETS swage_cli RUNTIME DESTINATION swage/bin COMPONENT python)

# The operators of swage.torch: the target swage_torch_operators of python/operators.
if(SWAGE_TORCH_INCLUDE AND EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/operators/CMakeLists.txt)
  add_subdirectory(operators)
  add_dependencies(swage_wheel swage_torch_operators)
  set_target_properties(swage_torch_operators PROPERTIES INSTALL_RPATH "$ORIGIN")
  install(TARGETS swage_torch_operators LIBRARY DESTINATION swage COMPONENT python)
  message(STATUS "The wheel holds the core and the operators for PyTorch")
else()
  message(STATUS "The wheel holds the core alone: no PyTorch at build time "
                 "(-DSWAGE_TORCH_INCLUDE=<its folder include> for the operators of swage.torch)")
endif()
