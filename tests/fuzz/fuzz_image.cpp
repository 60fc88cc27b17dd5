// Feeds arbitrary bytes to the image decoders: they may refuse them with an Error, and nothing else.
// Seeds: tests/data/images
#include <cstddef>
#include <cstdint>

#include "convoy/error.h"
#include "data/image.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  try {
    convoy::decode_image({bytes, size}, "fuzz", {.max_pixels = 1 << 20});
  } catch (const convoy::Error&) {
  }
  return 0;
}
