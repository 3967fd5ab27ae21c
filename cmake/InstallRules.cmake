# cmake --install: the archives, the public headers, and a package that find_package(Torchferry) finds.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/Torchferry")

install(DIRECTORY native/include/torchferry DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")

install(TARGETS torchferry_format EXPORT TorchferryFormat ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(EXPORT TorchferryFormat NAMESPACE Torchferry:: DESTINATION "${package_folder}")
if(TORCHFERRY_TORCH)
  install(TARGETS torchferry EXPORT TorchferryTorch ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  install(EXPORT TorchferryTorch NAMESPACE Torchferry:: DESTINATION "${package_folder}")
  install(FILES cmake/FindLibtorch.cmake DESTINATION "${package_folder}")
endif()

configure_package_config_file(cmake/TorchferryConfig.cmake.in "${CMAKE_BINARY_DIR}/TorchferryConfig.cmake"
                              INSTALL_DESTINATION "${package_folder}")
write_basic_package_version_file("${CMAKE_BINARY_DIR}/TorchferryConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_BINARY_DIR}/TorchferryConfig.cmake" "${CMAKE_BINARY_DIR}/TorchferryConfigVersion.cmake"
        DESTINATION "${package_folder}")
