// Labelled images, wherever they are stored.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/image.h"

namespace convoy {

// Immutable; every member may be called from several threads at once.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  virtual const std::vector<std::string>& class_names() const = 0;
  // The class of sample `index`, in [0, class_names().size()).
  virtual int label(int64_t index) const = 0;
  // What to call the sample in a message: its file, or file and number.
  virtual std::string name(int64_t index) const = 0;
  // The bytes of the image file; nullopt where samples are not files. Throws Error when it cannot be read.
  virtual std::optional<std::vector<uint8_t>> encoded(int64_t /*index*/) const { return std::nullopt; }
  // Throws Error that begins with name(index) when the sample cannot be decoded.
  virtual Image load(int64_t index) const = 0;
  // As load(); `damage` becomes what is wrong with a file that is read all the same, a line that begins with
  // name(index), and empty where nothing is.
  virtual Image load_with_damage(int64_t index, std::string& damage) const {
    damage.clear();
    return load(index);
  }
  // Whether the pixels are in memory already, so that keeping what load() gives saves no time.
  virtual bool in_memory() const { return false; }
};

using DatasetPtr = std::shared_ptr<const Dataset>;

enum class Split { train, val };

// Opens what `root` holds, told apart by content:
//  - the binary CIFAR-10 or CIFAR-100 files as published (data_batch_1.bin ... or train.bin), also one folder deeper;
//  - train/ beside val/ or test/, each with one sub-folder a class: the one that `split` asks for;
//  - one sub-folder a class, the same for either split;
//  - a tar archive of any of these, plain or compressed, also with one folder around all.
// Classes are numbered in byte-wise order of their names (as torchvision's ImageFolder), images in byte-wise order of
// their paths. Files that do not end in jpg, jpeg, png or webp (in any case) and hidden ones are left out.
// Throws Error when the folder is missing or empty, a class has no image, a file has the wrong size, or train/ stands
// alone and `split` is val.
DatasetPtr open_dataset(const std::filesystem::path& root, Split split);

struct TrainVal {
  DatasetPtr train;
  DatasetPtr val;
};

// Both splits of `root` as open_dataset gives them; val is null where they would be the same images.
TrainVal open_train_val(const std::filesystem::path& root);

// The given samples of a dataset, in that order.
DatasetPtr make_subset(DatasetPtr base, std::vector<int64_t> indices);

// Divides a dataset: of every class, the rounded share `fraction` (in (0, 1)) goes to val, at least one image and not
// all. Which ones depends on `seed` alone. Throws Error when a class has a single image.
TrainVal split_off_val(DatasetPtr dataset, double fraction, uint64_t seed);

// Throws Error that lists the differing classes unless both have the same ones.
void check_same_classes(const Dataset& train, const Dataset& val);

}  // namespace convoy
