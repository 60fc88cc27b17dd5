// The weights of a checkpoint in a network.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "convoy/import.h"
#include "convoy/model.h"
#include "formats/checkpoint.h"
#include "inference/weight_match.h"
#include "plan/variables.h"

namespace convoy {

class WeightImport {
 public:
  // Matches the file's tensors with the network's, by name or else by_order. num_classes: unset, as the file. Changes
  // nothing; the report says what does not fit.
  WeightImport(Checkpoint file, const Model& model, const ModelOptions& options, int64_t image_size,
               std::optional<int64_t> num_classes, bool by_order = false);

  const ImportReport& report() const { return report_; }
  // Whose names the file has; nullptr: the network's own, or the match is by order.
  const Naming* naming() const { return match_.naming; }
  // The classes are others, though as many: their layer starts anew.
  void replace_head();
  // One line that says what does not fit; empty when all does but what is allowed.
  std::string problem(bool allow_missing, bool allow_unexpected) const;
  // Sets those of the network's parameters and states, under their names, that the file has. Throws Error when its data
  // cannot be read.
  void load(const Variables& variables) const;

 private:
  void fill_report();
  bool is_new_head(size_t wanted) const;
  std::string source_names(const WeightMatch::Pair& pair) const;

  Checkpoint file_;
  std::vector<NetworkTensor> wanted_;
  WeightMatch match_;
  bool replaces_head_ = false;
  ImportReport report_;
};

}  // namespace convoy
