# cmake -DBUILD_DIR=<build> -DWORK_DIR=<scratch> -DCXX=<compiler> -P run.cmake
# Installs the build into a scratch prefix, looks what is there, then configures, builds and runs the project beside this
# file against it.
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(result)
    message(FATAL_ERROR "${ARGN}\n${output}")
  endif()
endfunction()

file(REMOVE_RECURSE ${WORK_DIR})
run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${WORK_DIR}/prefix)
run(${WORK_DIR}/prefix/bin/convoy --version)
foreach(installed include/convoy/train.h include/convoy/export_macro.h lib*/cmake/convoy/convoyConfig.cmake
    lib*/libconvoy.* share/convoy/recipes/resnet18-cifar10.toml share/doc/convoy/architecture.md
    share/doc/convoy/README.md share/doc/convoy/LICENSE share/doc/convoy/examples/classify.cpp share/man/man1/convoy.1
    share/bash-completion/completions/convoy share/zsh/site-functions/_convoy
    share/fish/vendor_completions.d/convoy.fish)
  file(GLOB found ${WORK_DIR}/prefix/${installed})
  if(NOT found)
    message(FATAL_ERROR "${installed} is not installed")
  endif()
  foreach(file ${found})
    file(SIZE ${file} bytes)
    if(bytes EQUAL 0)
      message(FATAL_ERROR "${file} is empty")
    endif()
  endforeach()
endforeach()
run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${WORK_DIR}/build
  -DCMAKE_PREFIX_PATH=${WORK_DIR}/prefix -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_BUILD_TYPE=Release)
run(${CMAKE_COMMAND} --build ${WORK_DIR}/build)
run(${WORK_DIR}/build/consumer)
