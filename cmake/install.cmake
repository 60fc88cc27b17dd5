# Installed as a CMake package: find_package(convoy) gives convoy::convoy.
include(CMakePackageConfigHelpers)
set(CONVOY_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/convoy)

install(TARGETS convoy EXPORT convoy_targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS convoy-cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
if(TARGET convoy_mpi)
  install(TARGETS convoy_mpi LIBRARY DESTINATION ${CONVOY_PLUGIN_DIR})
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/convoy DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/recipes DESTINATION ${CMAKE_INSTALL_DATADIR}/convoy)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs/ ${PROJECT_SOURCE_DIR}/examples DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/CHANGELOG.md
  DESTINATION ${CMAKE_INSTALL_DOCDIR})

# convoy_install_text(folder name arguments...): installs what the program prints.
function(convoy_install_text folder name)
  set(text ${PROJECT_BINARY_DIR}/texts/${name})
  install(CODE "file(MAKE_DIRECTORY \"${PROJECT_BINARY_DIR}/texts\")
    execute_process(COMMAND \"$<TARGET_FILE:convoy-cli>\" ${ARGN} OUTPUT_FILE \"${text}\" COMMAND_ERROR_IS_FATAL ANY)")
  install(FILES ${text} DESTINATION ${folder})
endfunction()
convoy_install_text(${CMAKE_INSTALL_MANDIR}/man1 convoy.1 manual)
convoy_install_text(${CMAKE_INSTALL_DATADIR}/bash-completion/completions convoy completion bash)
convoy_install_text(${CMAKE_INSTALL_DATADIR}/zsh/site-functions _convoy completion zsh)
convoy_install_text(${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d convoy.fish completion fish)

install(EXPORT convoy_targets FILE convoyTargets.cmake NAMESPACE convoy:: DESTINATION ${CONVOY_CMAKE_DIR})
configure_package_config_file(cmake/convoyConfig.cmake.in convoyConfig.cmake INSTALL_DESTINATION ${CONVOY_CMAKE_DIR})
write_basic_package_version_file(convoyConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/convoyConfig.cmake ${PROJECT_BINARY_DIR}/convoyConfigVersion.cmake
  DESTINATION ${CONVOY_CMAKE_DIR})
