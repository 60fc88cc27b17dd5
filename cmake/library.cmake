# The library: one folder a stage, every source in it found by CMake. Sources in src/kernels/isa/ are compiled once per
# instruction set, each time inside another namespace (CONVOY_ISA) and with that set's flags.

# convoy_stage_sources(stage out): the stage's sources, tests and their cases left out.
function(convoy_stage_sources stage out)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${stage}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "_(test|cases)\\.cpp$")
  set(${out} ${sources} PARENT_SCOPE)
endfunction()

# convoy_list_calls(prefix result suffix sources...): sets <prefix>declarations and <prefix>calls to declarations of, and a
# comma-separated list of, the functions `result <file name><suffix>()` of the sources.
function(convoy_list_calls prefix result suffix)
  set(declarations "")
  set(calls "")
  foreach(source ${ARGN})
    get_filename_component(name ${source} NAME_WE)
    string(APPEND declarations "${result} ${name}${suffix}();\n")
    string(APPEND calls "${name}${suffix}, ")
  endforeach()
  set(${prefix}declarations ${declarations} PARENT_SCOPE)
  set(${prefix}calls ${calls} PARENT_SCOPE)
endfunction()

# What everything inside the project is compiled with: flags, internal headers, dependencies.
add_library(convoy_internal INTERFACE)
target_include_directories(convoy_internal INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
target_link_libraries(convoy_internal INTERFACE convoy_compiler convoy_dependencies)

set(CONVOY_ISAS_OF_PROCESSOR baseline)
set(CONVOY_FLAGS_baseline "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  list(APPEND CONVOY_ISAS_OF_PROCESSOR avx2 avx512)
  set(CONVOY_FLAGS_avx2 -mavx2 -mfma)
  set(CONVOY_FLAGS_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # It takes the undefined lanes of its own intrinsics for uninitialised variables, gcc.gnu.org/PR105593.
    list(APPEND CONVOY_FLAGS_avx512 -Wno-maybe-uninitialized -Wno-uninitialized)
  endif()
endif()

set(CONVOY_FLAGS_avx2vnni ${CONVOY_FLAGS_avx2} -mavxvnni)
set(CONVOY_FLAGS_avx512vnni ${CONVOY_FLAGS_avx512} -mavx512vnni)
set(CONVOY_FLAGS_amx ${CONVOY_FLAGS_avx512} -mavx512bf16 -mamx-tile -mamx-bf16 -mamx-int8)

set(CONVOY_ISAS "${CONVOY_ISAS_OF_PROCESSOR}" CACHE STRING "Instruction sets that kernels are built for; baseline is one")

# CONVOY_WHOLE is the archive with the internals in reach, which the program, the tests and the benches are linked with:
# the library itself, or what a shared one, which exports what include/convoy marks CONVOY_API, is made of.
set(CONVOY_WHOLE convoy)
if(BUILD_SHARED_LIBS)
  set(CONVOY_WHOLE convoy_whole)
  set(CMAKE_CXX_VISIBILITY_PRESET hidden)
  set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
endif()
add_library(${CONVOY_WHOLE} STATIC)
target_compile_definitions(${CONVOY_WHOLE} PRIVATE CONVOY_VERSION="${PROJECT_VERSION}")
if(BUILD_SHARED_LIBS)
  target_link_libraries(convoy_whole PRIVATE convoy_internal)
  add_library(convoy SHARED $<TARGET_OBJECTS:convoy_whole>)
  set(exports ${CMAKE_CURRENT_LIST_DIR}/exports.map)  # the standard library's templates are not exported either
  target_link_options(convoy PRIVATE -Wl,--version-script=${exports} -Wl,--no-undefined)
  set_target_properties(convoy PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0 LINK_DEPENDS ${exports})
endif()
add_library(convoy::convoy ALIAS convoy)
target_include_directories(convoy PUBLIC
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_features(convoy PUBLIC cxx_std_20)
target_link_libraries(convoy PRIVATE
  $<BUILD_INTERFACE:convoy_internal> "$<INSTALL_INTERFACE:${CONVOY_LINKED_LIBRARIES}>")

foreach(stage core kernels graph ops backends models plan formats data inference train report)
  convoy_stage_sources(${stage} sources)
  list(FILTER sources EXCLUDE REGEX "/src/(kernels/(isa|vnni|amx)|core/mpi)/")
  target_sources(${CONVOY_WHOLE} PRIVATE ${sources})
endforeach()

# What reaches other processes by MPI is a library of its own, which the program loads where it was started as one of
# several: it lies beside the program, or in CONVOY_PLUGIN_DIR where it is installed.
set(CONVOY_PLUGIN_DIR ${CMAKE_INSTALL_LIBDIR}/convoy)
file(RELATIVE_PATH plugin_folder ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR}/convoy)
set_property(SOURCE ${PROJECT_SOURCE_DIR}/src/core/join_world.cpp PROPERTY
  COMPILE_DEFINITIONS CONVOY_PLUGIN_FOLDER="${plugin_folder}")
if(MPI_CXX_FOUND)
  add_library(convoy_mpi MODULE ${PROJECT_SOURCE_DIR}/src/core/mpi/mpi_transport.cpp)
  set_target_properties(convoy_mpi PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
  target_include_directories(convoy_mpi PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(convoy_mpi PRIVATE convoy_compiler MPI::MPI_CXX)
endif()

file(GLOB family_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/models/*.cpp)
list(FILTER family_sources EXCLUDE REGEX "(registry|_test)\\.cpp$")
convoy_list_calls("" "std::vector<Model>" _models ${family_sources})
configure_file(${PROJECT_SOURCE_DIR}/src/models/families.cpp.in ${PROJECT_BINARY_DIR}/families.cpp @ONLY)

file(GLOB kernel_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/ops/*/*_kernels.cpp)
set(op_sources "")
foreach(source ${kernel_sources})
  string(REPLACE "_kernels.cpp" ".cpp" source ${source})
  list(APPEND op_sources ${source})
endforeach()
convoy_list_calls(op_ "std::vector<OpType>" _ops ${op_sources})
convoy_list_calls(kernel_ "std::vector<KernelTable>" "" ${kernel_sources})
configure_file(${PROJECT_SOURCE_DIR}/src/ops/op_list.cpp.in ${PROJECT_BINARY_DIR}/op_list.cpp @ONLY)
target_sources(${CONVOY_WHOLE} PRIVATE ${PROJECT_BINARY_DIR}/families.cpp ${PROJECT_BINARY_DIR}/op_list.cpp)

# Optimised in every build type: unoptimised kernels would make the debug and sanitizer builds unusable. Sanitizer builds
# take -O1, and leave out the checks of undefined behaviour that guard every single access: behind unrolled loops they
# cost minutes and gigabytes to compile. The address sanitizer and the guards around the tests' buffers see an access out
# of bounds; the checks of arithmetic (overflow, shifts, conversions) stay.
file(GLOB isa_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/kernels/isa/*.cpp)
file(GLOB vnni_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/kernels/vnni/*.cpp)
file(GLOB amx_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/kernels/amx/*.cpp)
set(CONVOY_KERNEL_OPTIMISATION -O3)
if(CONVOY_SANITIZE)
  set(CONVOY_KERNEL_OPTIMISATION -O1)
endif()
if(CONVOY_SANITIZE MATCHES "undefined")
  # As options of the sources they stand behind -fsanitize, where they take effect.
  set_source_files_properties(${isa_sources} ${vnni_sources} ${amx_sources} PROPERTIES
    COMPILE_OPTIONS -fno-sanitize=null,alignment,object-size,vptr,pointer-overflow)
endif()
# convoy_add_kernels(isa registers sources...): kernels of that namespace, in vectors as the set `registers` has them.
function(convoy_add_kernels isa registers)
  add_library(convoy_kernels_${isa} OBJECT ${ARGN})
  target_compile_options(convoy_kernels_${isa} PRIVATE ${CONVOY_KERNEL_OPTIMISATION} ${CONVOY_FLAGS_${isa}})
  target_compile_definitions(convoy_kernels_${isa} PRIVATE CONVOY_ISA=${isa} CONVOY_ISA_${registers})
  target_link_libraries(convoy_kernels_${isa} PRIVATE convoy_internal)
  target_sources(${CONVOY_WHOLE} PRIVATE $<TARGET_OBJECTS:convoy_kernels_${isa}>)
  target_compile_definitions(${CONVOY_WHOLE} PRIVATE CONVOY_HAS_${isa})
endfunction()
foreach(isa ${CONVOY_ISAS})
  convoy_add_kernels(${isa} ${isa} ${isa_sources})
endforeach()
# Kernels by the dot product of four bytes (VNNI), which processors of either set may have or not, and those on matrix
# tiles are other ways to compute what those of the set do, and are chosen by each node.
set(dot_sources ${PROJECT_SOURCE_DIR}/src/kernels/isa/quantized_conv.cpp ${PROJECT_SOURCE_DIR}/src/kernels/isa/peak.cpp)
if(avx2 IN_LIST CONVOY_ISAS)
  convoy_add_kernels(avx2vnni avx2 ${dot_sources})
endif()
if(avx512 IN_LIST CONVOY_ISAS)
  convoy_add_kernels(avx512vnni avx512 ${dot_sources} ${vnni_sources})
  convoy_add_kernels(amx avx512 ${amx_sources})
endif()
