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
pkg_check_modules(EXIF REQUIRED IMPORTED_TARGET libexif)
pkg_check_modules(CAIRO REQUIRED IMPORTED_TARGET cairo)

set(CONVOY_LINKED_LIBRARIES
  fmt::fmt tomlplusplus::tomlplusplus JPEG::JPEG PNG::PNG LibArchive::LibArchive PkgConfig::WEBP PkgConfig::EXIF
  PkgConfig::CAIRO Threads::Threads)

add_library(convoy_dependencies INTERFACE)
target_link_libraries(convoy_dependencies INTERFACE ${CONVOY_LINKED_LIBRARIES} nlohmann_json::nlohmann_json)
