# Every library comes from the distribution; docs/dependencies.md says why each is there.
# A library that convoy links also stands in cmake/convoyConfig.cmake.in.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)
find_package(LibArchive REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(WEBP REQUIRED IMPORTED_TARGET libwebp)
pkg_check_modules(CAIRO REQUIRED IMPORTED_TARGET cairo)

set(CONVOY_LINKED_LIBRARIES
  fmt::fmt tomlplusplus::tomlplusplus JPEG::JPEG PNG::PNG LibArchive::LibArchive PkgConfig::WEBP
  PkgConfig::CAIRO Threads::Threads)

# Decoders of rarer image formats: without its library, one refuses its files by name. Only the decoder's own source hears
# of the library, as CONVOY_HAS_<name>.
function(convoy_optional_decoder name source target)
  if(TARGET ${target})
    set(CONVOY_LINKED_LIBRARIES ${CONVOY_LINKED_LIBRARIES} ${target} PARENT_SCOPE)
    set_property(SOURCE ${PROJECT_SOURCE_DIR}/src/data/${source} PROPERTY COMPILE_DEFINITIONS CONVOY_HAS_${name})
  else()
    message(STATUS "${name} is missing: src/data/${source} is built without it")
  endif()
endfunction()
find_package(GIF)
pkg_check_modules(TIFF IMPORTED_TARGET libtiff-4)
pkg_check_modules(AVIF IMPORTED_TARGET libavif)
pkg_check_modules(HEIF IMPORTED_TARGET libheif)
pkg_check_modules(WEBPDEMUX IMPORTED_TARGET libwebpdemux)
convoy_optional_decoder(GIF gif.cpp GIF::GIF)
convoy_optional_decoder(TIFF tiff.cpp PkgConfig::TIFF)
convoy_optional_decoder(AVIF avif.cpp PkgConfig::AVIF)
convoy_optional_decoder(HEIF heif.cpp PkgConfig::HEIF)
convoy_optional_decoder(WEBPDEMUX webp.cpp PkgConfig::WEBPDEMUX)

add_library(convoy_dependencies INTERFACE)
target_link_libraries(convoy_dependencies INTERFACE ${CONVOY_LINKED_LIBRARIES} nlohmann_json::nlohmann_json)
