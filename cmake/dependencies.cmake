# Every library comes from the distribution; docs/dependencies.md says why each is there.
# A library that convoy links also stands in cmake/convoyConfig.cmake.in.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)
find_package(ZLIB REQUIRED)
find_package(LibArchive REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(WEBP REQUIRED IMPORTED_TARGET libwebp)
pkg_check_modules(CAIRO REQUIRED IMPORTED_TARGET cairo)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)

set(CONVOY_LINKED_LIBRARIES
  fmt::fmt tomlplusplus::tomlplusplus JPEG::JPEG PNG::PNG ZLIB::ZLIB LibArchive::LibArchive PkgConfig::WEBP
  PkgConfig::CAIRO PkgConfig::UTF8PROC Threads::Threads)

# Decoders of rarer image formats: without its library, one refuses its files by name. Only the decoder's own source is
# compiled with the library, as CONVOY_HAS_<name>; everything is linked with it.
find_package(GIF)
pkg_check_modules(TIFF IMPORTED_TARGET libtiff-4)
pkg_check_modules(AVIF IMPORTED_TARGET libavif)
pkg_check_modules(HEIF IMPORTED_TARGET libheif)
pkg_check_modules(WEBPDEMUX IMPORTED_TARGET libwebpdemux)
foreach(decoder GIF::GIF=gif PkgConfig::TIFF=tiff PkgConfig::AVIF=avif PkgConfig::HEIF=heif PkgConfig::WEBPDEMUX=webp)
  string(REGEX MATCH "(.*::(.*))=(.*)" unused ${decoder})
  if(TARGET ${CMAKE_MATCH_1})
    list(APPEND CONVOY_LINKED_LIBRARIES $<LINK_ONLY:${CMAKE_MATCH_1}>)
    set_property(SOURCE ${PROJECT_SOURCE_DIR}/src/data/${CMAKE_MATCH_3}.cpp PROPERTY
      COMPILE_DEFINITIONS CONVOY_HAS_${CMAKE_MATCH_2})
  else()
    message(STATUS "src/data/${CMAKE_MATCH_3}.cpp is built without ${CMAKE_MATCH_2}")
  endif()
endforeach()

add_library(convoy_dependencies INTERFACE)
target_link_libraries(convoy_dependencies INTERFACE ${CONVOY_LINKED_LIBRARIES} nlohmann_json::nlohmann_json)
