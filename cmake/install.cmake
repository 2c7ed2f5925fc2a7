# install.cmake -- what `cmake --install` puts where, and the package that find_package(swage) finds.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS swage EXPORT swage_targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/swage DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(TARGET swage_cli)
  install(TARGETS swage_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

set(package_directory ${CMAKE_INSTALL_LIBDIR}/cmake/swage)
install(EXPORT swage_targets FILE swage-config.cmake NAMESPACE swage::
  DESTINATION ${package_directory})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/swage-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/swage-config-version.cmake DESTINATION ${package_directory})
