// Running a trained network on tensors, and reading and changing its weights.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "convoy/export_macro.h"
#include "convoy/pixels.h"

namespace convoy {

// The weights of a model file, and the network that they are of. Any number of sessions share them.
// Threads: const members may be called from several at once, also while sessions run; set_weight may not.
class CONVOY_API TrainedNetwork {
 public:
  // Throws Error when the file is missing, damaged, or of a network that neither it nor this program knows.
  explicit TrainedNetwork(const std::filesystem::path& model_file);
  ~TrainedNetwork();
  TrainedNetwork(TrainedNetwork&&) noexcept;
  TrainedNetwork& operator=(TrainedNetwork&&) noexcept;

  const std::string& architecture() const;
  int64_t image_size() const;  // S, rows and columns of an image
  const std::vector<std::string>& class_names() const;

  // The tensors as the file has them: names as torch's, the axes of a convolution's weight {out, in, height, width}.
  std::vector<std::string> weight_names() const;
  // The functions below throw UsageError for a name that no tensor has, with the nearest.
  std::vector<int64_t> weight_shape(std::string_view name) const;
  std::vector<float> weight(std::string_view name) const;
  // Of sessions that are made afterwards. Throws UsageError unless the values are as many as the tensor's elements, and
  // finite.
  void set_weight(std::string_view name, std::span<const float> values);
  // Writes a model file. Atomic; throws Error when it cannot be written.
  void save(const std::filesystem::path& model_file) const;

  // What the network sees of an image: resized, cropped and normalised as its file says, {S, S, 3}, into that many
  // elements. Throws UsageError for pixels that are not what they say, and for another number of elements.
  void prepare(const Pixels& pixels, std::span<float> into) const;

 private:
  friend class Session;
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

struct SessionOptions {
  int64_t batch_size = 1;
  int64_t threads = 0;  // that compute; 0: those of the process, which sessions share
  bool exact = false;   // without Winograd's convolutions, which are faster and round more (docs/results.md)
  // What is computed: "logits" {N, classes}; "features", the vectors {N, C} that the head takes in; or the name of a
  // layer with a weight, "layer4.2.conv3", which stands for what it makes before any norm, {N, H, W, C} or {N, C}.
  // Layers keep the session from folding norms into convolutions and from sharing the folded weights with others.
  std::vector<std::string> outputs = {"logits"};
};

// A network made ready for batches of a size: memory laid out, weights packed. Sessions of the same options share what
// they make of the weights. It keeps what it needs of the network, which may go away or change.
// Threads: one at a time may use a session; several sessions may be used at once. It may be used in a child process
// after fork().
class CONVOY_API Session {
 public:
  // Throws UsageError for an output that the network has not, MemoryError when a batch does not fit into memory.
  explicit Session(const TrainedNetwork& network, const SessionOptions& options = {});
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  // The images of a batch, {batch_size, S, S, 3}, as TrainedNetwork::prepare gives them: to be written before each run.
  std::span<float> images();
  // Computes the outputs of the batch; allocates nothing.
  void run();
  // An output of the last run, by its place among the options' outputs; valid until the next.
  std::span<const float> output(size_t place = 0) const;
  // Its extents, {batch_size, ...}.
  std::vector<int64_t> output_shape(size_t place = 0) const;

  // The same for any number of images {n, S, S, 3}, batch by batch: each output for all of them, in the options' order.
  // Throws UsageError when the floats make no whole number of images.
  std::vector<std::vector<float>> run(std::span<const float> images);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace convoy
