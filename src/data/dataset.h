// Labelled images, wherever they are stored.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "convoy/data.h"
#include "data/file_stamp.h"
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
  // As load(), what `options` say of it; `damage` becomes what is wrong with a file that is read all the same, a line
  // that begins with name(index), and empty where nothing is.
  virtual Image load_with_damage(int64_t index, const DecodeOptions& options, std::string& damage) const {
    damage.clear();
    return part_of(load(index), options.part);
  }
  // What tells whether a stored sample is still the same; nullopt where samples are not files, or the file is missing.
  virtual std::optional<FileStamp> stamp(int64_t /*index*/) const { return std::nullopt; }
  // The number of the shard that the sample lies in, counted from 0; 0 where the dataset has none.
  virtual uint32_t shard(int64_t /*index*/) const { return 0; }
  // Whether the pixels are in memory already, so that keeping what load() gives saves no time.
  virtual bool in_memory() const { return false; }
};

using DatasetPtr = std::shared_ptr<const Dataset>;

enum class Split { train, val };

// What becomes of class folders that are empty or cannot be read: an Error, or one of the problems.
enum class BadFolder : uint8_t { error, error_unless_empty, problem };

// The parts of a dataset.
struct TrainVal {
  DatasetPtr train;  // all there is, where there are no parts
  DatasetPtr val = nullptr;
  DatasetPtr test = nullptr;  // val itself where nothing else is there to validate with
  bool has_parts = false;     // whether there are folders for them, perhaps only one
  // The folders that they lie in, for messages.
  std::string train_source = {};
  std::string val_source = {};
  // What was left out or is doubtful. Bad folders have the severity error.
  std::vector<DataProblem> problems = {};
};

// Opens what `root` holds, a folder, an archive or shards (data/open_tree.h), told apart by content; where it is none
// of these, the dataset of that name (convoy/own_dataset.h):
//  - the CIFAR-10 or CIFAR-100 files as published (data_batch_1.bin ... or train.bin), also one folder deeper;
//  - images with the numbers of their classes beside them, and folders of images, as lay_out() reads them
//    (data/webdataset.h, data/layout.h). Folders are numbered in byte-wise order of their names (as torchvision's
//    ImageFolder), the images of a class in byte-wise order of their paths.
// Only val or test, or neither, may be there. Throws Error when the root is missing, nothing in it is a class, it has
// parts but none to train on, a file has the wrong size, or, as bad_folder says, a class folder is empty or unreadable.
TrainVal open_train_val(const std::filesystem::path& root, BadFolder bad_folder = BadFolder::error);

// The same, but train is null where folders for val and test stand alone.
TrainVal open_parts(const std::filesystem::path& root, BadFolder bad_folder);

// What `root` offers to validate with, as val: its validation part, or all its images where it has no parts. Throws as
// open_train_val, and where there are parts but not that one.
TrainVal open_val(const std::filesystem::path& root, BadFolder bad_folder = BadFolder::error_unless_empty);

// One part of `root` where it has parts, all its images otherwise. Throws as open_train_val and open_val.
DatasetPtr open_dataset(const std::filesystem::path& root, Split split);

// A hash of the names, without their folders, and the labels of all images.
uint64_t hash_of(const Dataset& dataset);

// The given samples of a dataset, in that order.
DatasetPtr make_subset(DatasetPtr base, std::vector<int64_t> indices);

// Whether each sample goes to val: of every class, the rounded share `fraction` (in (0, 1)), at least one image and not
// all. Which ones depends on `seed` alone. labels: of the samples. Throws Error when a class has a single image.
std::vector<bool> draw_val(const std::vector<int>& labels, const std::vector<std::string>& class_names, double fraction,
                           uint64_t seed);

// Divides a dataset as draw_val() says. Throws as it does.
TrainVal split_off_val(const DatasetPtr& dataset, double fraction, uint64_t seed);

// Gives the validation images the class numbers of the training images, matched by name; a problem names the classes
// without validation images. Throws Error that lists the validation classes that training lacks.
void match_classes(TrainVal& data);

}  // namespace convoy
