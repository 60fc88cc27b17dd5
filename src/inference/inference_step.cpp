#include "inference/inference_step.h"

#include <utility>

#include "plan/network_graph.h"
#include "plan/passes.h"

namespace convoy {

InferenceStep::InferenceStep(const Model& model, const ModelOptions& options, int64_t batch_size, int64_t image_size,
                             Variables& variables, uint64_t seed, const InferenceOptions& inference)
    : image_size_(image_size) {
  Graph graph = inference_graph(model, options, {batch_size, image_size, image_size, 3},
                                inference.averaged ? kAverageScope : std::string_view());
  variables.add(graph, seed);
  if (inference.folded && !options.fused) {
    reparameterised_ = reparameterise(graph);
    folded_.add(reparameterised_->graph, std::nullopt);
    graph = reparameterised_->graph;
  }
  run_passes(graph, forward_passes());
  program_ = std::make_unique<Program>(
      std::move(graph),
      ProgramOptions{.exact = inference.exact, .prepared = inference.prepared, .backend = variables.backend()});
}

void InferenceStep::bind(const Variables& variables, Buffer& arena) {
  variables_ = &variables;
  program_->bind(reparameterised_ ? folded_ : variables, arena);
  images_ = HostTensor(*program_, "images");
  logits_ = HostTensor(*program_, "logits");
}

void InferenceStep::execute(void (Program::*run)(const StepScalars&)) {
  images_.upload();
  (*program_.*run)({});
  logits_.download();
}

void InferenceStep::fold() {
  if (reparameterised_) fuse_weights(*reparameterised_, *variables_, folded_);
}

}  // namespace convoy
