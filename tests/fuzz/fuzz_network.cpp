// Reads arbitrary bytes as a network, and does with one all that is done without its weights: both modes, gradients,
// passes, fusing. What was read must come back the same from the text that it is written as. Half of the mutations are
// of the JSON: bytes alone seldom make another network. Seeds: tests/fuzz/seeds/network
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "convoy/error.h"
#include "convoy/model.h"
#include "convoy/ops.h"
#include "formats/network_json.h"
#include "graph/autodiff.h"
#include "graph/graph.h"
#include "graph/work.h"
#include "ops/sum/sum.h"
#include "plan/passes.h"
#include "plan/reparameterise.h"

namespace {

using convoy::Graph;

Graph build(const convoy::Model& model, convoy::Mode mode, int64_t batch, int64_t classes) {
  Graph graph(mode);
  const convoy::Value images(&graph, graph.add_input("images", {{batch, model.image_size, model.image_size, 3}}));
  graph.set_output("logits", model.build(convoy::Builder(graph), images, {.num_classes = classes}).id());
  return graph;
}

void infer(const convoy::Model& model) {
  Graph graph = build(model, convoy::Mode::inference, 3, model.num_classes);
  convoy::multiply_adds(graph);
  convoy::reparameterise(graph);
  convoy::run_passes(graph, convoy::forward_passes());
}

void train(const convoy::Model& model, int64_t classes) {
  Graph graph = build(model, convoy::Mode::training, 3, classes);
  const convoy::Value logits(&graph, graph.output("logits"));
  const convoy::Value targets(&graph, graph.add_input("targets", {logits.shape()}));
  const convoy::Value loss = convoy::cross_entropy(logits, targets);
  graph.set_output("loss", loss.id());
  convoy::run_passes(graph, convoy::forward_passes());
  const auto parameters = graph.parameters();
  const std::pair seed(loss.id(), graph.add_constant(convoy::Shape{}, 1));
  for (const auto& [parameter, gradient] : convoy::differentiate(
           graph, {&seed, 1}, {parameters.begin(), parameters.end()}, std::make_shared<convoy::SumOp>(true))) {
    if (graph.value(parameter).type.shape != graph.value(gradient).type.shape) std::abort();
    graph.set_output("gradient of " + graph.value(parameter).name, gradient);
  }
  convoy::run_passes(graph, convoy::step_passes());
}

// Runs what may be refused, but only with an Error.
template <class Run>
void attempt(const Run& run) {
  try {
    run();
  } catch (const convoy::Error& error) {
    if (std::string_view(error.what()).find('\n') != std::string_view::npos) std::abort();
  }
}

using nlohmann::json;

// Another value for `place`, which is somewhere in `root`.
void change(json& place, json& root, std::mt19937& random) {
  const auto below = [&random](size_t count) { return static_cast<size_t>(random() % count); };
  constexpr int64_t kNumbers[] = {-1, 0, 1, 2, 3, 4, 7, 8, 16, 255, 256, 1 << 20, int64_t{1} << 40, INT64_MAX};
  if (place.is_array() && !place.empty()) {
    switch (below(3)) {
      case 0: place.erase(below(place.size())); return;
      case 1:
        place.insert(place.begin() + static_cast<long>(below(place.size())), json(place[below(place.size())]));
        return;
      default: std::swap(place[below(place.size())], place[below(place.size())]); return;
    }
  }
  if (place.is_number_integer() && below(2) == 0) {
    place = static_cast<int64_t>(place.get<uint64_t>() + below(5) - 2);
  } else if (place.is_number_integer()) {
    place = kNumbers[below(std::size(kNumbers))];
  } else if (place.is_string()) {
    constexpr const char* kWords[] = {"conv", "linear", "same", "head_weight", "head_bias", "dirac", "relu", "gelu"};
    const json& nodes = root["nodes"];
    place = nodes.empty() || below(3) == 0 ? json(kWords[below(std::size(kWords))])
                                           : json(nodes[below(nodes.size())].value("op", "sum"));
  } else if (place.is_boolean()) {
    place = !place.get<bool>();
  } else if (place.is_null() || below(4) == 0) {
    place = below(20);
  } else if (place.is_object() && !place.empty() && below(2) == 0) {
    place.erase(place.begin());
  } else {
    place = nullptr;
  }
}

}  // namespace

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  std::mt19937 random(seed);
  json root = json::parse(data, data + size, nullptr, false);
  if (random() % 2 == 0 || !root.is_object() || !root["nodes"].is_array()) return LLVMFuzzerMutate(data, size, most);
  try {
    for (auto left = random() % 4 + 1; left > 0; --left) {
      // Nodes more often than the rest; then down some levels.
      json* place = random() % 4 == 0 ? &root : &root["nodes"];
      while (place->is_structured() && !place->empty() && random() % 5 != 0) {
        place = &*std::next(place->begin(), static_cast<long>(random() % place->size()));
      }
      change(*place, root, random);
    }
  } catch (const json::exception&) {  // the root itself was changed
  }
  const std::string text = root.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() > most) return LLVMFuzzerMutate(data, size, most);
  std::memcpy(data, text.data(), text.size());
  return text.size();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  attempt([&] {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const convoy::Model model = convoy::network_from_json(bytes, "fuzz");
    attempt([&] { infer(model); });
    attempt([&] { train(model, model.num_classes); });
    attempt([&] { train(model, model.num_classes + 1); });
    const std::string text = convoy::network_to_json(build(model, convoy::Mode::training, 1, model.num_classes));
    try {
      const convoy::Model again = convoy::network_from_json(text, "fuzz");
      if (convoy::network_to_json(build(again, convoy::Mode::training, 1, model.num_classes)) != text) std::abort();
    } catch (const convoy::Error&) {
      std::abort();
    }
  });
  return 0;
}
