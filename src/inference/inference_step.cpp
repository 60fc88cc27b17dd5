#include "inference/inference_step.h"

#include <utility>

#include "plan/maps.h"
#include "plan/network_graph.h"
#include "plan/passes.h"

namespace convoy {

InferenceStep::InferenceStep(const Model& model, const ModelOptions& options, int64_t batch_size, int64_t image_size,
                             Variables& variables, uint64_t seed, const InferenceOptions& inference)
    : image_size_(image_size) {
  const auto graph_of = [&](int64_t images) {
    return inference_graph(model, options, {images, image_size, image_size, 3},
                           inference.averaged ? kAverageScope : std::string_view());
  };
  Graph graph = graph_of(batch_size);
  variables.add(graph, seed);
  if (inference.folded && !options.fused) {
    reparameterised_ = reparameterise(graph);
    folded_.add(reparameterised_->graph, std::nullopt);
  }
  program_ = std::make_unique<BatchProgram>(
      [&](int64_t images) {
        Graph ready = images == batch_size ? graph : graph_of(images);
        if (reparameterised_) ready = reparameterise(ready).graph;
        run_passes(ready, forward_passes());
        return ready;
      },
      batch_size,
      ProgramOptions{.exact = inference.exact,
                     .prepared = inference.prepared,
                     .backend = variables.backend(),
                     .maps = map_type(inference.precision)});
}

void InferenceStep::bind(const Variables& variables, Buffer& arena) {
  variables_ = &variables;
  program_->bind(reparameterised_ ? folded_ : variables, arena);
  images_ = HostTensor(program_->whole(), "images");
  logits_ = HostTensor(program_->whole(), "logits");
}

void InferenceStep::execute(void (BatchProgram::*run)(const StepScalars&)) {
  images_.upload();
  (*program_.*run)({});
  logits_.download();
}

void InferenceStep::fold() {
  if (reparameterised_) fuse_weights(*reparameterised_, *variables_, folded_);
}

}  // namespace convoy
