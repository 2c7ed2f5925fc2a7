# wheel.cmake -- libraries and the command of the wheel, into the package beside its Python files.

# A wheel holds no symbolic links, and one version: the library is libswage.so to who links with it.
set_property(TARGET swage PROPERTY VERSION)
set_property(TARGET swage PROPERTY SOVERSION)

add_custom_target(swage_wheel)
add_dependencies(swage_wheel swage swage_cli swage_torch_operators)
install(TARGETS swage swage_torch_operators LIBRARY DESTINATION swage COMPONENT python)
install(TARGETS swage_cli RUNTIME DESTINATION swage/bin COMPONENT python)
