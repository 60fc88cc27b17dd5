// Using a trained classifier.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "convoy/evaluation.h"
#include "convoy/export_macro.h"
#include "convoy/image_options.h"
#include "convoy/pixels.h"
#include "convoy/precision.h"

namespace convoy {

struct Prediction {
  std::string class_name;
  int class_index = 0;
  double probability = 0;
};

struct ImagePredictions {
  std::string image;
  std::string error;                // why the image could not be read; empty when it could
  std::string damage;               // what is wrong with a file that could be read all the same; empty when nothing
  std::vector<Prediction> classes;  // the most probable first
  // Reads the image's file again. Throws Error when that fails.
  std::function<std::vector<uint8_t>()> read_file;
};

// What of each image the network sees; its logits are averaged.
enum class Tta : uint8_t {
  none,
  hflip,       // the image and its mirror image
  hflip_shift  // those, and both shifted by a pixel up and left, and down and right; padded by reflection. The shifted
               // ones have half the weight: airbench94's tta_level 2, https://arxiv.org/abs/2404.00498
};

struct ClassifierOptions {
  int64_t batch_size = 32;
  int64_t workers = 2;  // threads that prepare images
  Tta tta = Tta::none;  // test-time augmentation; hflip_shift needs images of 2 pixels and more
  int64_t threads = 0;  // that compute; 0: those of the process, which classifiers share: one for every processor
  bool exact = false;   // without Winograd's convolutions, which are faster and round more (docs/results.md)
  Precision precision = Precision::fp32;  // of layers that are not quantised
};

// Which images of a data set are evaluated.
enum class EvaluationPart : uint8_t {
  held_out,  // val where there is such a part, otherwise all
  train,
  val,   // what the training held back where it is the data that the network was trained on, or what the data offers
  test,  // the folder test/, or CIFAR's test images
  all
};

struct EvaluationOptions {
  EvaluationPart part = EvaluationPart::held_out;
  OnBadImage on_bad_image = OnBadImage::error;
  const std::atomic<bool>* stop = nullptr;  // when it becomes true, the report is of the images so far
};

// A network with its weights, class names and preprocessing, from a model file (best.safetensors, last.safetensors).
// Threads: several classifiers may be used at once, also of one file; calls of one classifier wait for each other, and
// a callback may not call the classifier that calls it. It may be used in a child process after fork().
class CONVOY_API Classifier {
 public:
  // Throws Error when the file is missing, damaged, or of a network that this program does not know. The file stays
  // open: weights are read from it by the first call, which throws Error where one is not a finite number or a batch
  // does not fit into memory.
  explicit Classifier(const std::filesystem::path& model_file, const ClassifierOptions& options = {});
  ~Classifier();
  Classifier(Classifier&&) noexcept;
  Classifier& operator=(Classifier&&) noexcept;

  const std::string& architecture() const;
  int64_t image_size() const;
  const std::vector<std::string>& class_names() const;
  // What training recorded, such as val_top1.
  const std::map<std::string, double>& metrics() const;

  // The k most probable classes of every image: of each file, of all images below each folder or in each archive, and
  // of what standard input has for the path "-", in order. `each` hears of an image as soon as it is done; what cannot
  // be read, or is not there, has an error. When `stop` becomes true, it returns after the batch at hand. Throws
  // UsageError for a k below 1.
  void predict(const std::vector<std::filesystem::path>& paths, int k,
               const std::function<void(const ImagePredictions&)>& each, const std::atomic<bool>* stop = nullptr);
  std::vector<ImagePredictions> predict(const std::vector<std::filesystem::path>& paths, int k = 5);

  // The k most probable classes of an image in memory, of each of several, and of the bytes of an image file of any
  // format that Convoy reads. Throws UsageError for a k below 1, no pixels, a stride below a row's bytes and fewer
  // bytes than rows and stride say, Error for a file that cannot be read.
  std::vector<Prediction> classify(const Pixels& image, int k = 5);
  std::vector<std::vector<Prediction>> classify(std::span<const Pixels> images, int k = 5);
  std::vector<Prediction> classify_file(std::span<const uint8_t> file, int k = 5);
  // The network's outputs: {images, classes}, row by row; with test-time augmentation, their means.
  std::vector<float> logits(std::span<const Pixels> images);

  // Every image of a part of a data set once: data as `convoy train` takes it; empty: what the network was trained on.
  // Classes are matched by name; some may be absent. Images that the network was trained on are recognised by their
  // content and counted. Throws Error for a part that there is not, a class that the classifier does not know, and an
  // image that on_bad_image does not allow; also where none can be read.
  EvaluationReport evaluate(const std::filesystem::path& data, const EvaluationOptions& options = {},
                            const std::function<void(const ValidationStepReport&)>& on_step = {});

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace convoy
