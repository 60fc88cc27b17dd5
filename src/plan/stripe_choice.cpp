#include "plan/stripe_choice.h"

#include <algorithm>
#include <utility>

namespace convoy {
namespace {

constexpr size_t kMostNodes = 40;

size_t bytes_of(const TensorType& type) {
  return static_cast<size_t>(type.shape.elements()) * static_cast<size_t>(size_of(type.dtype));
}

bool is_map_of_one(const TensorType& type) { return type.present && type.shape.rank() == 4 && type.shape[0] == 1; }

// Whether some rows of a node's output can be computed alone, from maps of one image.
bool goes_by_rows(const RowGraph& rows, size_t index, size_t most_inputs, size_t most_outputs) {
  const PlannedNode& planned = rows.nodes[index];
  const Node& node = rows.graph.nodes()[index];
  const std::span<const TensorType> inputs = planned.inputs, outputs = planned.outputs;
  if (planned.whole || planned.kernel->approximate) return false;
  if (inputs.empty() || inputs.size() > most_inputs || outputs.empty() || outputs.size() > most_outputs) return false;
  const bool one_output = is_map_of_one(outputs[0]) && std::ranges::none_of(outputs.subspan(1), &TensorType::present);
  if (!one_output || !rows.window(index, 0)) return false;
  // Weights would be packed for every stripe.
  const bool packs = !planned.prepared && planned.kernel->prepared_bytes != nullptr &&
                     planned.kernel->prepared_bytes({*node.op, inputs, outputs, true}) > 0;
  if (packs) return false;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (node.op->mutates(static_cast<int>(i))) return false;
    const std::optional<RowWindow> window = rows.window(index, i);
    if (!inputs[i].present || !window) continue;
    if (!is_map_of_one(inputs[i]) || window->padding >= window->extent) return false;
  }
  return true;
}

class Chooser {
 public:
  Chooser(const RowGraph& rows, const StripeLimits& limits, size_t most_inputs, size_t most_outputs)
      : rows_(rows), limits_(limits) {
    for (size_t index = 0; index < rows.nodes.size(); ++index) {
      if (rows.nodes[index].in_prologue) continue;
      order_.push_back(index);
      by_rows_.push_back(goes_by_rows(rows, index, most_inputs, most_outputs));
    }
    position_.assign(rows.nodes.size(), kNone);
    for (size_t i = 0; i < order_.size(); ++i) position_[order_[i]] = i;
  }

  // The runs that spare the most together: the best of what begins at each node, from the last one on.
  std::vector<StripeRun> choose() const {
    struct Choice {
      double spared = 0;
      size_t end = 0;  // of the run that begins here; 0: none does
    };
    std::vector<Choice> best(order_.size() + 1);
    for (size_t first = order_.size(); first-- > 0;) {
      best[first].spared = best[first + 1].spared;
      for (size_t end = first + 1; end <= std::min(order_.size(), first + kMostNodes) && by_rows_[end - 1]; ++end) {
        if (reads_whole(first, end - 1)) break;
        const double spared = is_closed(first, end) ? spared_bytes(first, end) + best[end].spared : 0;
        if (spared > best[first].spared) best[first] = {spared, end};
      }
    }
    std::vector<StripeRun> runs;
    for (size_t first = 0; first < order_.size(); first = std::max(first + 1, best[first].end)) {
      const size_t end = best[first].end;
      if (end == 0) continue;
      const auto begin = order_.begin();
      runs.push_back(
          {{begin + static_cast<ptrdiff_t>(first), begin + static_cast<ptrdiff_t>(end)}, rows_of_stripe(first, end)});
    }
    return runs;
  }

 private:
  const TensorType& output_type(size_t i) const { return rows_.nodes[order_[i]].outputs[0]; }
  // The place in the order of the node that makes a value; kNone: none does.
  size_t maker(ValueId id) const {
    const size_t index = rows_.maker[static_cast<size_t>(id)];
    return index == kNone ? kNone : position_[index];
  }

  // Whether a node needs all of what another one from `first` on makes.
  bool reads_whole(size_t first, size_t i) const {
    const std::vector<ValueId>& inputs = rows_.graph.nodes()[order_[i]].inputs;
    for (size_t input = 0; input < inputs.size(); ++input) {
      if (inputs[input] == kNoValue || rows_.window(order_[i], input)) continue;
      if (const size_t made_by = maker(inputs[input]); made_by != kNone && made_by >= first) return true;
    }
    return false;
  }

  // Whether nothing but the last output is read behind these nodes.
  bool is_closed(size_t first, size_t end) const {
    for (size_t i = first; i + 1 < end; ++i) {
      const size_t reader = rows_.last_reader[static_cast<size_t>(rows_.output(order_[i]))];
      if (reader == kNone || position_[reader] >= end) return false;
    }
    return true;
  }

  size_t weight_bytes(size_t first, size_t end) const {
    size_t bytes = 0;
    for (size_t i = first; i < end; ++i) {
      const std::span<const TensorType> inputs = rows_.nodes[order_[i]].inputs;
      for (size_t input = 0; input < inputs.size(); ++input) {
        if (inputs[input].present && !rows_.window(order_[i], input)) bytes += bytes_of(inputs[input]);
      }
    }
    return bytes;
  }

  // Bytes of the rows of all maps that so many of the last one are made of.
  size_t bytes_of_rows(size_t first, size_t end, int64_t rows) const {
    std::vector<int64_t> wanted(end - first);
    wanted.back() = rows;
    size_t bytes = static_cast<size_t>(rows) * row_bytes(output_type(end - 1));
    for (size_t i = end; i-- > first;) {
      const std::vector<ValueId>& inputs = rows_.graph.nodes()[order_[i]].inputs;
      for (size_t input = 0; input < inputs.size(); ++input) {
        const std::optional<RowWindow> window = rows_.window(order_[i], input);
        if (inputs[input] == kNoValue || !window) continue;
        const TensorType& type = rows_.nodes[order_[i]].inputs[input];
        const int64_t needed = std::min(type.shape[1], (wanted[i - first] - 1) * window->stride + window->extent);
        const size_t made_by = maker(inputs[input]);
        int64_t counted = 0;
        if (made_by != kNone && made_by >= first) {
          counted = std::exchange(wanted[made_by - first], std::max(wanted[made_by - first], needed));
        }
        bytes += static_cast<size_t>(std::max<int64_t>(0, needed - counted)) * row_bytes(type);
      }
    }
    return bytes;
  }

  // As many as there is room for; 0: there is none.
  int64_t rows_of_stripe(size_t first, size_t end) const {
    const size_t weights = weight_bytes(first, end);
    int64_t rows = 0;
    while (rows < output_type(end - 1).shape[1] && weights + bytes_of_rows(first, end, rows + 1) <= limits_.stripe) {
      ++rows;
    }
    return rows;
  }

  // What these nodes move less together than one after the other; below 0: more.
  double spared_bytes(size_t first, size_t end) const {
    size_t spared = 0;
    for (size_t i = first; i + 1 < end; ++i) {
      const size_t bytes = bytes_of(output_type(i));
      if (bytes > limits_.cached) spared += 2 * bytes;
    }
    const int64_t rows = spared == 0 ? 0 : rows_of_stripe(first, end);
    if (rows == 0) return 0;
    const auto stripes = static_cast<size_t>((output_type(end - 1).shape[1] + rows - 1) / rows);
    // Every stripe takes the weights anew, from the cache.
    constexpr size_t kNearer = 4;
    const size_t again = (end - first) * limits_.call + weight_bytes(first, end) / kNearer;
    return static_cast<double>(spared) - static_cast<double>(stripes * again);
  }

  const RowGraph& rows_;
  const StripeLimits limits_;
  std::vector<size_t> order_, position_;  // the nodes that run, and where each is among them
  std::vector<bool> by_rows_;             // of each in the order
};

}  // namespace

RowGraph::RowGraph(const Graph& of, std::span<const PlannedNode> planned)
    : graph(of),
      nodes(planned),
      maker(static_cast<size_t>(of.value_count()), kNone),
      last_reader(static_cast<size_t>(of.value_count()), kNone) {
  for (size_t index = 0; index < of.nodes().size(); ++index) {
    for (const ValueId id : of.nodes()[index].outputs) {
      if (id != kNoValue) maker[static_cast<size_t>(id)] = index;
    }
    for (const ValueId id : of.nodes()[index].inputs) {
      if (id != kNoValue) last_reader[static_cast<size_t>(id)] = index;
    }
  }
  for (const auto& [name, id] : of.outputs()) last_reader[static_cast<size_t>(id)] = kNone;
}

size_t row_bytes(const TensorType& type) { return bytes_of(type) / static_cast<size_t>(type.shape[1]); }

TensorType with_rows(const TensorType& type, int64_t rows) {
  return {Shape{1, rows, type.shape[2], type.shape[3]}, type.dtype};
}

std::vector<StripeRun> choose_stripe_runs(const RowGraph& rows, const StripeLimits& limits, size_t most_inputs,
                                          size_t most_outputs) {
  return Chooser(rows, limits, most_inputs, most_outputs).choose();
}

}  // namespace convoy
