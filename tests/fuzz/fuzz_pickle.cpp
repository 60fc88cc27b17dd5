// Reads arbitrary bytes as a pickle, and the weights in it.
// Seeds: tests/checkpoints tests/fuzz/seeds (NAME.pkl: what tests/checkpoints/NAME.pth holds as data.pkl)
#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>

#include "convoy/error.h"
#include "formats/pickle.h"
#include "formats/pickled_notes.h"
#include "formats/pickled_weights.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    const convoy::Pickle pickle(bytes);
    convoy::pickled_notes(pickle);
    const auto weights = convoy::find_pickled_weights(pickle, "");
    for (const auto& [name, tensor] : weights.tensors) {
      convoy::pickled_floats(tensor, [bytes](const convoy::PickleStorage&) { return bytes; });
    }
  } catch (const convoy::Error&) {  // the one outcome allowed besides success
  }
  return 0;
}
