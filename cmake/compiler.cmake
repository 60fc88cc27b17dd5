# Flags of all code here. -ffp-contract=off: a fused multiply-add happens only where the source says fma(), so that an
# expression repeated in a backward kernel gives the bits that the forward kernel gave.
add_library(convoy_compiler INTERFACE)
target_compile_options(convoy_compiler INTERFACE -Wall -Wextra -Wpedantic -Wconversion -ffp-contract=off)
if(CONVOY_WERROR)
  target_compile_options(convoy_compiler INTERFACE -Werror)
endif()
if(CONVOY_SANITIZE)
  target_compile_options(convoy_compiler INTERFACE -fsanitize=${CONVOY_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(convoy_compiler INTERFACE -fsanitize=${CONVOY_SANITIZE})
endif()
