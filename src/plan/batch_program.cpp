#include "plan/batch_program.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <optional>
#include <utility>

#include "plan/fusion.h"
#include "plan/maps.h"

namespace convoy {
namespace {

size_t bytes_of(const Graph& graph, ValueId id) {
  const TensorType& type = graph.value(id).type;
  return static_cast<size_t>(type.shape.elements() * size_of(type.dtype));
}

// Which values depend on the images.
std::vector<bool> depending_on_images(const Graph& graph) {
  std::vector<bool> depends(static_cast<size_t>(graph.value_count()));
  depends[static_cast<size_t>(graph.named("images"))] = true;
  for (const Node& node : graph.nodes()) {
    const bool any = std::ranges::any_of(
        node.inputs, [&](ValueId id) { return id != kNoValue && depends[static_cast<size_t>(id)]; });
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) depends[static_cast<size_t>(id)] = any;
    }
  }
  return depends;
}

// A graph cut into the nodes before a position and those from there on.
struct Cut {
  size_t position = 0;
  std::vector<ValueId> crossing;  // made before, read behind or by the caller
};

Cut cut_at(const Graph& graph, const std::vector<bool>& depends, size_t position) {
  std::vector<bool> before(depends.size()), crosses(depends.size());
  for (size_t i = 0; i < position; ++i) {
    for (const ValueId id : graph.nodes()[i].outputs) {
      if (id != kNoValue) before[static_cast<size_t>(id)] = depends[static_cast<size_t>(id)];
    }
  }
  for (size_t i = position; i < graph.nodes().size(); ++i) {
    for (const ValueId id : graph.nodes()[i].inputs) {
      if (id != kNoValue && before[static_cast<size_t>(id)]) crosses[static_cast<size_t>(id)] = true;
    }
  }
  for (const auto& [name, id] : graph.outputs()) {
    if (before[static_cast<size_t>(id)]) crosses[static_cast<size_t>(id)] = true;
  }
  Cut cut{position, {}};
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    if (crosses[static_cast<size_t>(id)]) cut.crossing.push_back(id);
  }
  return cut;
}

// The nodes, from the first on, that run with the same kernels for one image as for all.
size_t with_same_kernels(const Graph& one, const Graph& all, const ProgramOptions& options) {
  const Program alone(one, options), together(all, options);
  const auto differing = std::ranges::mismatch(alone.reports(), together.reports(), {}, &Program::NodeReport::kernel,
                                               &Program::NodeReport::kernel);
  return static_cast<size_t>(differing.in1 - alone.reports().begin());
}

// The cut of the graph of one image across which least has to move for one of a batch: a node before it reads its
// weights for every image, one behind it once for all, but its maps do not stay in a cache.
Cut best_cut(const Graph& graph, int64_t batch_size, size_t last) {
  const std::vector<bool> depends = depending_on_images(graph);
  std::vector<size_t> weights, maps;  // bytes of each node
  size_t cost = 0;
  for (const Node& node : graph.nodes()) {
    size_t weight = 0, map = 0;
    for (const std::vector<ValueId>* ids : {&node.inputs, &node.outputs}) {
      for (const ValueId id : *ids) {
        if (id != kNoValue) (depends[static_cast<size_t>(id)] ? map : weight) += bytes_of(graph, id);
      }
    }
    weights.push_back(weight);
    maps.push_back(map);
    cost += map + weight / static_cast<size_t>(batch_size);
  }
  last = std::min(last, graph.nodes().size() - 1);
  Cut best;
  size_t least = cost;
  for (size_t position = 1; position <= last; ++position) {
    cost = cost + weights[position - 1] - weights[position - 1] / static_cast<size_t>(batch_size) - maps[position - 1];
    if (cost >= least) continue;
    Cut cut = cut_at(graph, depends, position);
    size_t crossing = 0;
    for (const ValueId id : cut.crossing) crossing += bytes_of(graph, id);
    if (cost + crossing >= least) continue;
    least = cost + crossing;
    best = std::move(cut);
  }
  return best;
}

bool same_nodes(const Graph& a, const Graph& b) {
  return a.value_count() == b.value_count() &&
         std::ranges::equal(a.nodes(), b.nodes(), [](const Node& x, const Node& y) {
           return x.op->name() == y.op->name() && x.inputs == y.inputs && x.outputs == y.outputs;
         });
}

// Whether a value of the batch is those of its images one behind the other.
bool is_stacked(const Shape& one, const Shape& all, int64_t batch_size) {
  return all.elements() == one.elements() * batch_size && all.rank() > 0 && all[0] == one[0] * batch_size;
}

std::string crossing_name(ValueId id) { return fmt::format("crossing/{}", id); }

Graph first_half(Graph graph, const Cut& cut) {
  graph.nodes().resize(cut.position);
  graph.clear_outputs();
  for (const ValueId id : cut.crossing) graph.set_output(crossing_name(id), id);
  remove_dead_nodes(graph);
  return graph;
}

// What depends on weights alone is computed here too where it is read.
Graph second_half(Graph graph, const Cut& cut) {
  const std::vector<bool> depends = depending_on_images(graph);
  std::vector<Node> kept;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    Node& node = graph.nodes()[i];
    const bool goes = i < cut.position && std::ranges::any_of(node.outputs, [&](ValueId id) {
                        return id != kNoValue && depends[static_cast<size_t>(id)];
                      });
    if (!goes) kept.push_back(std::move(node));
  }
  graph.nodes() = std::move(kept);
  for (const ValueId id : cut.crossing) graph.make_input(id, crossing_name(id));
  remove_dead_nodes(graph);
  return graph;
}

}  // namespace

BatchProgram::BatchProgram(const BatchGraph& graph_of, int64_t batch_size, const ProgramOptions& options)
    : batch_size_(batch_size), team_(current_team()) {
  Graph all = graph_of(batch_size);
  ProgramOptions handing = options;
  std::vector<ValueId> crossing;
  const bool may_halve = options.prepared && batch_size > 1 && &options.backend == &cpu_backend();
  if (may_halve) {
    Graph one = graph_of(1);
    const Cut cut = same_nodes(one, all) ? best_cut(one, batch_size, with_same_kernels(one, all, options)) : Cut{};
    const bool stacked = std::ranges::all_of(cut.crossing, [&](ValueId id) {
      return is_stacked(one.value(id).type.shape, all.value(id).type.shape, batch_size);
    });
    if (cut.position > 0 && stacked) {
      const std::vector<bool> maps = maps_of(all);
      std::ranges::copy_if(cut.crossing, std::back_inserter(handing.handed),
                           [&](ValueId id) { return maps[static_cast<size_t>(id)]; });
      ProgramOptions single = handing;
      const bool images_for_all = batch_size >= team_->size();
      single.frames = images_for_all ? team_->size() : 1;
      const ThreadTeamPtr team = images_for_all ? ThreadTeam::make(1) : team_;
      const TeamScope scope(*team);
      single_ = std::make_unique<Program>(first_half(std::move(one), cut), single);
      all = second_half(std::move(all), cut);
      crossing.assign(cut.crossing.begin(), cut.crossing.end());
    }
  }
  whole_ = std::make_unique<Program>(std::move(all), handing);
  if (single_ == nullptr) return;
  const auto add_crossing = [this](ValueId from, ValueId to) {
    const auto elements = static_cast<size_t>(single_->graph().value(from).type.shape.elements());
    crossings_.push_back({from, to, elements * static_cast<size_t>(size_of(single_->stored_as(from)))});
  };
  add_crossing(single_->graph().named("images"), whole_->graph().named("images"));
  for (const ValueId id : crossing) add_crossing(id, id);
}

void BatchProgram::bind(const Variables& variables, Buffer& arena) {
  whole_->bind(variables, arena, single_ ? single_->arena_bytes() : 0);
  if (single_) single_->bind(variables, arena);
}

void BatchProgram::prepare() {
  if (single_) single_->prepare();
  whole_->prepare();
}

void BatchProgram::prepare(const WeightSource& weights) {
  if (single_) single_->prepare(weights);
  whole_->prepare(weights);
}

void BatchProgram::run_halves(const StepScalars& step, void (Program::*run)(const StepScalars&, size_t frame)) {
  if (single_) {
    const auto run_image = [&](int64_t image, size_t frame) {
      for (const Crossing& crossing : crossings_) {
        single_->point(frame, crossing.single,
                       whole_->view(crossing.whole).data + static_cast<size_t>(image) * crossing.bytes);
      }
      ((*single_).*run)(step, frame);
    };
    if (single_->frames() > 1) {
      const TeamScope scope(*team_);
      parallel_for(batch_size_, [&](int64_t image, int worker) { run_image(image, static_cast<size_t>(worker)); });
    } else {
      for (int64_t image = 0; image < batch_size_; ++image) run_image(image, 0);
    }
  }
  ((*whole_).*run)(step, 0);
}

std::vector<ProgramRuns> BatchProgram::halves() const {
  std::vector<ProgramRuns> all;
  if (single_) all.push_back({single_.get(), batch_size_, static_cast<int64_t>(single_->frames())});
  all.push_back({whole_.get()});
  return all;
}

}  // namespace convoy
