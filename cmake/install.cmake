# install.cmake -- what `cmake --install` puts where: the libraries, the headers, the command, and what
# find_package(swage) and pkg-config find.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_directory ${CMAKE_INSTALL_LIBDIR}/cmake/swage)
# swage_install_component(runtime swage_runtime_shared): one file of targets each.
function(swage_install_component component target)
  if(NOT TARGET ${target})
    return()
  endif()
  install(TARGETS ${target} EXPORT swage_${component}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(EXPORT swage_${component} FILE swage-${component}-targets.cmake NAMESPACE swage::
    DESTINATION ${package_directory})
endfunction()
swage_install_component(runtime swage_runtime_shared)
swage_install_component(runtime_static swage_runtime_static)
swage_install_component(compiler swage)
swage_install_component(compiler_static swage_static)
swage_install_component(command swage_cli)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/swage DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

configure_file(${PROJECT_SOURCE_DIR}/cmake/swage-config.cmake.in
  ${PROJECT_BINARY_DIR}/swage-config.cmake @ONLY)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/swage-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/swage-config.cmake
  ${PROJECT_BINARY_DIR}/swage-config-version.cmake
  ${PROJECT_SOURCE_DIR}/cmake/swage_add_kernels.cmake DESTINATION ${package_directory})

# Paths from the file itself, so that an installed tree may be moved.
file(RELATIVE_PATH swage_prefix_from_pc /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
function(swage_pkg_config file swage_pc_name swage_pc_library swage_pc_description)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/swage.pc.in ${PROJECT_BINARY_DIR}/${file} @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${file} DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endfunction()
swage_pkg_config(swage-runtime.pc "Swage runtime" swage_runtime
  "launches tuned kernels that were compiled ahead")
if(TARGET swage)
  swage_pkg_config(swage.pc "Swage" swage "turns kernel strings into tuned kernels at run time")
endif()
