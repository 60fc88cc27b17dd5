// Opens arbitrary bytes as a safetensors file and reads all of it.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "convoy/error.h"
#include "formats/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int file = memfd_create("fuzz", 0);
  if (file < 0 || write(file, data, size) != static_cast<ssize_t>(size)) return 0;
  try {
    const convoy::SafetensorsReader reader("/proc/self/fd/" + std::to_string(file));
    for (const convoy::StoredTensor& tensor : reader.tensors()) reader.floats(tensor.name);
  } catch (const convoy::Error&) {  // the one outcome allowed besides success
  }
  close(file);
  return 0;
}
