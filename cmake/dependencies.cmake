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

# Training on several processes; without it, the program says so where mpirun starts several of it.
set(MPI_CXX_SKIP_MPICXX ON)
find_package(MPI COMPONENTS CXX)

find_path(PROTOZERO_INCLUDE_DIR protozero/pbf_writer.hpp REQUIRED)  # headers alone

set(CONVOY_LINKED_LIBRARIES
  fmt::fmt tomlplusplus::tomlplusplus JPEG::JPEG PNG::PNG ZLIB::ZLIB LibArchive::LibArchive PkgConfig::WEBP
  PkgConfig::CAIRO PkgConfig::UTF8PROC Threads::Threads)

# The name by which programs load the library at `path`.
function(convoy_soname result path)
  execute_process(COMMAND ${CMAKE_OBJDUMP} -p ${path} OUTPUT_VARIABLE headers COMMAND_ERROR_IS_FATAL ANY)
  if(NOT headers MATCHES "SONAME +([^ \n]+)")
    message(FATAL_ERROR "${path}: expected a shared library with a name")
  endif()
  set(${result} ${CMAKE_MATCH_1} PARENT_SCOPE)
endfunction()

# Decoders of rarer image formats: without its library, one refuses its files by name. Only the decoder's own source is
# compiled with the library, as CONVOY_HAS_<name>; everything is linked with it, but for those that take long to load:
# they are loaded by the first image that needs them, as CONVOY_<name>_SONAME.
find_package(GIF)
pkg_check_modules(TIFF IMPORTED_TARGET libtiff-4)
pkg_check_modules(AVIF IMPORTED_TARGET libavif)
pkg_check_modules(HEIF IMPORTED_TARGET libheif)
pkg_check_modules(WEBPDEMUX IMPORTED_TARGET libwebpdemux)
foreach(decoder GIF::GIF=gif PkgConfig::TIFF=tiff PkgConfig::AVIF=avif PkgConfig::HEIF=heif PkgConfig::WEBPDEMUX=webp)
  string(REGEX MATCH "(.*::(.*))=(.*)" unused ${decoder})
  if(TARGET ${CMAKE_MATCH_1})
    set_property(SOURCE ${PROJECT_SOURCE_DIR}/src/data/${CMAKE_MATCH_3}.cpp PROPERTY
      COMPILE_DEFINITIONS CONVOY_HAS_${CMAKE_MATCH_2})
  else()
    message(STATUS "src/data/${CMAKE_MATCH_3}.cpp is built without ${CMAKE_MATCH_2}")
  endif()
endforeach()
foreach(decoder GIF::GIF PkgConfig::TIFF PkgConfig::WEBPDEMUX)
  if(TARGET ${decoder})
    list(APPEND CONVOY_LINKED_LIBRARIES $<LINK_ONLY:${decoder}>)
  endif()
endforeach()
list(APPEND CONVOY_LINKED_LIBRARIES ${CMAKE_DL_LIBS})
foreach(decoder AVIF=avif HEIF=heif)
  string(REGEX MATCH "(.*)=(.*)" unused ${decoder})
  if(${CMAKE_MATCH_1}_FOUND)
    convoy_soname(soname ${${CMAKE_MATCH_1}_LINK_LIBRARIES})
    set_property(SOURCE ${PROJECT_SOURCE_DIR}/src/data/${CMAKE_MATCH_2}.cpp APPEND PROPERTY
      COMPILE_DEFINITIONS CONVOY_${CMAKE_MATCH_1}_SONAME="${soname}")
    set_property(SOURCE ${PROJECT_SOURCE_DIR}/src/data/${CMAKE_MATCH_2}.cpp PROPERTY
      INCLUDE_DIRECTORIES ${${CMAKE_MATCH_1}_INCLUDE_DIRS})
  endif()
endforeach()

add_library(convoy_dependencies INTERFACE)
target_include_directories(convoy_dependencies SYSTEM INTERFACE $<BUILD_INTERFACE:${PROTOZERO_INCLUDE_DIR}>)
target_link_libraries(convoy_dependencies INTERFACE ${CONVOY_LINKED_LIBRARIES} nlohmann_json::nlohmann_json)
