// Opens arbitrary bytes as a safetensors file and as a golden file, and reads all of it.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "convoy/error.h"
#include "formats/golden.h"
#include "formats/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int file = memfd_create("fuzz", 0);
  if (file < 0 || write(file, data, size) != static_cast<ssize_t>(size)) return 0;
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  try {
    const convoy::SafetensorsReader reader(path);
    for (const convoy::StoredTensor& tensor : reader.tensors()) reader.floats(tensor.name);
    const convoy::Golden golden(path);
    golden.labels();
    for (size_t i = 0; i < golden.parameters().size(); ++i) golden.expected_digest(convoy::Golden::Kind::grad, i);
  } catch (const convoy::Error&) {  // the one outcome allowed besides success
  }
  close(file);
  return 0;
}
