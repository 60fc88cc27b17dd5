// Datasets of a program's own: labelled images that are in no folder or archive.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "convoy/export_macro.h"

namespace convoy {

struct OwnImage {
  // A file of any format that is read; or, where there is a size, pixels: red, green and blue of 8 bits each, rows from
  // top to bottom without gaps.
  std::vector<uint8_t> bytes;
  int width = 0;
  int height = 0;
};

// What does not change. image() and name() are called from several threads at once. Exceptions of any kind become an
// Error that names the dataset or image; of image(), what the recipe's on-bad-image says.
class CONVOY_API LabelledImages {
 public:
  virtual ~LabelledImages() = default;
  virtual int64_t size() const = 0;
  virtual std::vector<std::string> class_names() const = 0;
  // The class of an image, in [0, class_names().size()).
  virtual int label(int64_t index) const = 0;
  // What to call an image in messages and reports. Evaluation recognises the images of a training by their names and
  // labels. Empty: the name of the dataset and the index.
  virtual std::string name(int64_t /*index*/) const { return ""; }
  virtual OwnImage image(int64_t index) const = 0;
};

struct OwnDataset {
  std::shared_ptr<const LabelledImages> train;
  std::shared_ptr<const LabelledImages> val = nullptr;  // null: there are none
};

// Makes a dataset known under a name, which may then stand wherever images are asked for: Recipe::data and val,
// Classifier::evaluate, check_images, measure_images, draw_preview. A file or folder of that name goes first. `open` is
// called whenever that happens. Not while another thread opens data. Throws Error when the name is taken.
CONVOY_API void add_dataset(std::string name, std::function<OwnDataset()> open);

// The names that add_dataset was given.
CONVOY_API std::vector<std::string> dataset_names();

}  // namespace convoy
