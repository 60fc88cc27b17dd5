// Using a trained classifier.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "convoy/train.h"

namespace convoy {

struct Prediction {
  std::string class_name;
  int class_index = 0;
  double probability = 0;
};

struct ImagePredictions {
  std::string image;
  std::string error;                // why the image could not be read; empty when it could
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
  int64_t threads = 0;  // that compute, of the whole process; 0: as many as it has
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
  bool skip_bad = false;  // leave out images that cannot be read
};

// A network with its weights, class names and preprocessing, from a model file (best.safetensors, last.safetensors).
class Classifier {
 public:
  // Throws Error when the file is missing, damaged, or of a network that this program does not know, and when a batch
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
  // be read, or is not there, has an error. Throws UsageError for a k below 1.
  void predict(const std::vector<std::filesystem::path>& paths, int k,
               const std::function<void(const ImagePredictions&)>& each);
  std::vector<ImagePredictions> predict(const std::vector<std::filesystem::path>& paths, int k = 5);

  // Every image of a part of a data set once: data as `convoy train` takes it; empty: what the network was trained on.
  // Classes are matched by name; some may be absent. Images that the network was trained on are recognised by their
  // content and counted. Throws Error for a part that there is not, a class that the classifier does not know, and an
  // image that cannot be read, unless skip_bad; then only if none can.
  EvaluationReport evaluate(const std::filesystem::path& data, const EvaluationOptions& options = {},
                            const std::function<void(const ValidationStepReport&)>& on_step = {});

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace convoy
