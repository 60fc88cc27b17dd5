// What a training run leaves for its reader: progress on a stream, and in its folder results.csv, summary.json and
// TensorBoard events after every epoch, at the end results and confusion_matrix as .png and .svg.
//
// Threads: a report belongs to one at a time.
#pragma once

#include <cstdio>
#include <memory>

#include "convoy/export_macro.h"
#include "convoy/train.h"

namespace convoy {

class CONVOY_API RunReport {
 public:
  // progress: where lines go, or a bar where it is a terminal; null: nowhere.
  explicit RunReport(std::FILE* progress);
  ~RunReport();
  RunReport(const RunReport&) = delete;
  RunReport& operator=(const RunReport&) = delete;

  // For train(); they refer to this object, and throw Error when a file of the run folder cannot be written.
  TrainCallbacks callbacks();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace convoy
