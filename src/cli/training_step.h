// What commands ask and tell about the step of a network that they plan or time.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "cli/network.h"
#include "convoy/train.h"
#include "train/step.h"

namespace convoy::cli {

struct StepFlags {
  bool train = false;  // a whole training step; else inference
  std::optional<int64_t> memory;
  std::optional<std::string> optimizer;
  Precision precision = Precision::fp32;
};

// --train, described by `train`, and the flags that belong to it: --opt NAME and --memory SIZE; --precision.
void add_step_flags(CLI::App& app, StepFlags& flags, const std::string& train);

// Throws UsageError where flags of a training step are given without --train.
void check_step_flags(const StepFlags& flags);

StepOptions step_options(const StepFlags& flags, const Network& network);

// A line on what is computed again, where anything is. planned_bytes: with it.
void print_repeated(const RepeatedWork& repeated, size_t planned_bytes);

}  // namespace convoy::cli
