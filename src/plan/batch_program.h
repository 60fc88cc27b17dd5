// A program for a batch of images, of which each goes alone through the layers whose maps are larger than their
// weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/buffer.h"
#include "plan/program.h"

namespace convoy {

// The graph of an inference on that many images, ready to be planned: its first input is "images" {N, H, W, C}, and
// nothing that is computed of one image depends on another.
using BatchGraph = std::function<Graph(int64_t batch_size)>;

// A program and how often it runs in a step.
struct ProgramRuns {
  const Program* program;
  int64_t runs = 1, at_once = 1;
};

// Where weights do not change, a network has two halves. Through the first, whose maps are larger than its weights, the
// images go one by one, each thread with its own where there are images for all of them: a map is still in a core's
// cache when the next layer reads it, and no thread waits for another. Through the second goes the whole batch, so that
// its weights are read once. The kernels are those that the whole batch would have, and the bits those of any number of
// threads.
class BatchProgram {
 public:
  // Plans for the current team. Halves are made of prepared programs of the CPU. Throws as Program does.
  BatchProgram(const BatchGraph& graph_of, int64_t batch_size, const ProgramOptions& options);

  size_t arena_bytes() const { return whole_->arena_bytes() + (single_ ? single_->arena_bytes() : 0); }
  // These are as Program's.
  void bind(const Variables& variables, Buffer& arena);
  void prepare();
  void prepare(const WeightSource& weights);
  void run(const StepScalars& step) { run_halves(step, &Program::run); }
  void run_profiled(const StepScalars& step) { run_halves(step, &Program::run_profiled); }

  // Has all inputs and outputs of the batch; their memory is as Program says.
  const Program& whole() const { return *whole_; }

  std::vector<ProgramRuns> halves() const;

 private:
  void run_halves(const StepScalars& step, void (Program::*run)(const StepScalars&, size_t frame));

  int64_t batch_size_;
  ThreadTeamPtr team_;
  std::unique_ptr<Program> single_;  // of one image; null where there is one half only
  std::unique_ptr<Program> whole_;
  // The values that the first half hands to the second, or is given: ids in both programs, bytes of an image.
  struct Crossing {
    ValueId single, whole;
    size_t bytes;
  };
  std::vector<Crossing> crossings_;
};

}  // namespace convoy
