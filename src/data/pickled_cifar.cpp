#include "data/pickled_cifar.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "convoy/error.h"
#include "formats/pickle.h"

namespace convoy {
namespace {

constexpr int64_t kPixels = 3 * 32 * 32;

// Calls `read` with the pickle's dictionary; what it throws begins with the file's name.
template <class Read>
auto with_dictionary(const std::vector<uint8_t>& file, const std::string& name, const Read& read) {
  try {
    const Pickle pickle(std::as_bytes(std::span(file)));
    const auto* dict = pickle.get<PickleDict>(pickle.root());
    if (dict == nullptr) throw Error("is no dictionary, as a file of CIFAR's Python archives is");
    return read(pickle, *dict);
  } catch (const Error& error) {
    error.rethrow(fmt::format("{}: {}", name, error.what()));
  }
}

// The list under the first of the keys that is there.
const std::vector<PickleId>& list_under(const Pickle& pickle, const PickleDict& dict,
                                        const std::array<const char*, 2>& keys) {
  for (const char* key : keys) {
    const PickleId id = pickle.find(dict, key);
    const auto* list = id < 0 ? nullptr : pickle.get<PickleList>(id);
    if (list != nullptr) return list->items;
  }
  throw Error(fmt::format("expected a list called '{}' or '{}'", keys[0], keys[1]));
}

// Row by row, {images, 3072}.
std::span<const std::byte> pixels_of(const Pickle& pickle, const PickleDict& dict, size_t images) {
  const PickleId id = pickle.find(dict, "data");
  const auto* array = id < 0 ? nullptr : pickle.get<PickleTensor>(id);
  const std::vector<int64_t> shape{static_cast<int64_t>(images), kPixels};
  const bool good = array != nullptr && array->type == DType::u8 && array->shape == shape &&
                    array->strides == std::vector<int64_t>{kPixels, 1} && array->offset == 0 &&
                    array->bytes.size() == images * kPixels;
  if (!good) {
    throw Error(fmt::format("expected 'data' to be an array of {} x {} bytes, as there are labels", images, kPixels));
  }
  return array->bytes;
}

}  // namespace

std::vector<uint8_t> read_pickled_cifar_records(const std::vector<uint8_t>& file, const std::string& name,
                                                size_t classes) {
  return with_dictionary(file, name, [classes](const Pickle& pickle, const PickleDict& dict) {
    const std::vector<PickleId>& labels = list_under(pickle, dict, {"fine_labels", "labels"});
    const std::span<const std::byte> pixels = pixels_of(pickle, dict, labels.size());
    std::vector<uint8_t> records;
    records.reserve(labels.size() * (1 + kPixels));
    for (size_t i = 0; i < labels.size(); ++i) {
      const auto* label = pickle.get<int64_t>(labels[i]);
      if (label == nullptr || *label < 0 || *label >= static_cast<int64_t>(classes)) {
        throw Error(fmt::format("expected the label of image {} to be a number from 0 to {}", i, classes - 1));
      }
      records.push_back(static_cast<uint8_t>(*label));
      const auto* planes = reinterpret_cast<const uint8_t*>(pixels.data()) + i * kPixels;
      records.insert(records.end(), planes, planes + kPixels);
    }
    return records;
  });
}

std::vector<std::string> read_pickled_cifar_names(const std::vector<uint8_t>& file, const std::string& name,
                                                  size_t classes) {
  return with_dictionary(file, name, [classes](const Pickle& pickle, const PickleDict& dict) {
    std::vector<std::string> names;
    for (const PickleId id : list_under(pickle, dict, {"fine_label_names", "label_names"})) {
      const auto text = pickle.text(id);
      if (!text || text->empty()) throw Error(fmt::format("expected text as the name of class {}", names.size()));
      names.emplace_back(*text);
    }
    if (names.size() != classes) throw Error(fmt::format("expected {} class names, found {}", classes, names.size()));
    return names;
  });
}

}  // namespace convoy
