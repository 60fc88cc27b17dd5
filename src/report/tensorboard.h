// Event files with scalars, as TensorBoard reads them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "report/output_file.h"

namespace convoy {

struct Scalar {
  std::string tag;
  float value = 0;
};

// Writes TFRecord-framed tensorflow.Event messages (tensorflow/core/util/event.proto) of format "brain.Event:2".
class EventWriter {
 public:
  // Starts a new events.out.tfevents.* in `folder`. A run resumed after `step` steps gives that number: TensorBoard
  // then forgets what older files of the folder say of later steps. Throws Error when the file cannot be written.
  explicit EventWriter(const std::filesystem::path& folder, int64_t step = 0);

  // Appends one event with `scalars` of one step and flushes it.
  void append(int64_t step, std::span<const Scalar> scalars);

 private:
  void append_record(const std::string& event);

  OutputFile file_;
};

}  // namespace convoy
