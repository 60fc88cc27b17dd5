// Opens arbitrary bytes as a PyTorch, Paddle or safetensors checkpoint, and reads all of it.
// Seeds: tests/checkpoints
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "convoy/error.h"
#include "formats/checkpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int file = memfd_create("fuzz", 0);
  if (file < 0 || write(file, data, size) != static_cast<ssize_t>(size)) return 0;
  try {
    const convoy::Checkpoint checkpoint("/proc/self/fd/" + std::to_string(file));
    for (size_t i = 0; i < checkpoint.tensors().size(); ++i) checkpoint.floats(i);
  } catch (const convoy::Error&) {  // the one outcome allowed besides success
  }
  close(file);
  return 0;
}
