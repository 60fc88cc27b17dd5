#include "plan/stripes.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "plan/memory.h"
#include "plan/stripe_choice.h"

namespace convoy {

// Plans a run of nodes. Maps and nodes are counted within the run, a map as the node that makes it.
class StripesBuilder {
 public:
  StripesBuilder(const RowGraph& rows, std::vector<size_t> nodes) : rows_(rows), position_(rows.nodes.size(), kNone) {
    stripes_.nodes_ = std::move(nodes);
    stripes_.output_ = rows_.output(stripes_.nodes_.back());
    for (size_t node = 0; node < count(); ++node) position_[index(node)] = node;
    readers_.resize(count());
    capacity_.resize(count());
    next_.resize(count());
    base_.resize(count());
    for (size_t node = 0; node < count(); ++node) add_readings(node);
  }

  Stripes build(int64_t rows_of_stripe, int threads) {
    stripes_.alone_ = ThreadTeam::make(1);
    const TeamScope scope(*stripes_.alone_);
    const int64_t height = type(last()).shape[1];
    const auto parts = std::min<int64_t>(threads, height);
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t begin = height * part / parts, end = height * (part + 1) / parts;
      const int64_t stripes = (end - begin + rows_of_stripe - 1) / rows_of_stripe;
      begin_part(begin);
      for (int64_t i = 1; i <= stripes; ++i) add_stripe(begin + (end - begin) * i / stripes);
    }
    lay_out_buffers();
    return std::move(stripes_);
  }

 private:
  // A node that reads a map, and how.
  struct Reader {
    size_t node;
    RowWindow window;
  };

  size_t count() const { return stripes_.nodes_.size(); }
  size_t last() const { return count() - 1; }
  size_t index(size_t node) const { return stripes_.nodes_[node]; }
  const TensorType& type(size_t node) const { return rows_.nodes[index(node)].outputs[0]; }
  size_t row_bytes(size_t node) const { return convoy::row_bytes(type(node)); }
  // The node of the run that makes a value; kNone: another one does.
  size_t maker(ValueId id) const {
    const size_t made_by = rows_.maker[static_cast<size_t>(id)];
    return made_by == kNone ? kNone : position_[made_by];
  }

  void add_readings(size_t node) {
    if (node != last()) stripes_.between_.push_back(rows_.output(index(node)));
    const std::vector<ValueId>& inputs = rows_.graph.nodes()[index(node)].inputs;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i] == kNoValue) continue;
      if (const size_t made_by = maker(inputs[i]); made_by != kNone) {
        readers_[made_by].push_back({node, *rows_.window(index(node), i)});
      } else {
        stripes_.inputs_.push_back(inputs[i]);
      }
    }
  }

  // The first row of a map that is still to be read.
  int64_t oldest(size_t map) const {
    int64_t row = std::numeric_limits<int64_t>::max();
    for (const Reader& reader : readers_[map]) {
      row = std::min(row, next_[reader.node] * reader.window.stride - reader.window.padding);
    }
    return std::max<int64_t>(0, row);
  }

  void begin_part(int64_t row) {
    next_[last()] = row;
    for (size_t map = last(); map-- > 0;) base_[map] = next_[map] = oldest(map);
    stripes_.parts_.emplace_back();
  }

  // All that the rows of the last map up to `end` are made of.
  void add_stripe(int64_t end) {
    Stripes::Stripe stripe;
    std::vector<int64_t> until = next_;
    until[last()] = end;
    for (size_t map = last(); map-- > 0;) {
      for (const Reader& reader : readers_[map]) {
        if (until[reader.node] == next_[reader.node]) continue;
        const int64_t bottom =
            (until[reader.node] - 1) * reader.window.stride - reader.window.padding + reader.window.extent;
        until[map] = std::max(until[map], std::min(type(map).shape[1], bottom));
      }
      const int64_t kept = oldest(map), from = std::exchange(base_[map], kept);
      next_[map] = std::max(next_[map], kept);  // no reader wants those before
      until[map] = std::max(until[map], next_[map]);
      if (kept > from && next_[map] > kept) {
        stripe.moves.push_back({map, static_cast<size_t>(kept - from) * row_bytes(map),
                                static_cast<size_t>(next_[map] - kept) * row_bytes(map)});
      }
      capacity_[map] = std::max(capacity_[map], until[map] - kept);
    }
    for (size_t node = 0; node < count(); ++node) {
      if (next_[node] < until[node]) stripe.calls.push_back(call_of(node, next_[node], until[node]));
    }
    next_ = until;
    stripes_.parts_.back().push_back(std::move(stripe));
  }

  // Buffers are told by their maps until all are laid out.
  Stripes::Place place_of(ValueId id, int64_t row, size_t bytes) const {
    const size_t map = maker(id);
    if (map == kNone || map == last()) return {id, false, static_cast<size_t>(row) * bytes};
    return {static_cast<ValueId>(map), true, static_cast<size_t>(row - base_[map]) * bytes};
  }

  Stripes::Call call_of(size_t node, int64_t begin, int64_t end) {
    const PlannedNode& planned = rows_.nodes[index(node)];
    const Node& in_graph = rows_.graph.nodes()[index(node)];
    Stripes::Call call;
    call.node = index(node);
    call.inputs.assign(planned.inputs.begin(), planned.inputs.end());
    call.outputs.assign(planned.outputs.begin(), planned.outputs.end());
    call.outputs[0] = with_rows(call.outputs[0], end - begin);
    call.target = place_of(in_graph.outputs[0], begin, row_bytes(node));
    for (size_t i = 0; i < call.inputs.size(); ++i) {
      const std::optional<RowWindow> window = rows_.window(index(node), i);
      if (!window || !call.inputs[i].present) {
        call.sources.push_back({in_graph.inputs[i]});
        continue;
      }
      const int64_t top = begin * window->stride - window->padding, first = std::max<int64_t>(0, top);
      const int64_t behind =
          std::min(call.inputs[i].shape[1], (end - 1) * window->stride - window->padding + window->extent);
      if (i == 0) call.rows_above = first - top;
      call.sources.push_back(place_of(in_graph.inputs[i], first, convoy::row_bytes(call.inputs[i])));
      call.inputs[i] = with_rows(call.inputs[i], behind - first);
    }
    if (planned.kernel->workspace != nullptr) {
      const NodeSpec spec{*in_graph.op, call.inputs, call.outputs, planned.prepared, call.rows_above};
      scratch_ = std::max(scratch_, planned.kernel->workspace(spec));
    }
    return call;
  }

  void lay_out_buffers() {
    std::vector<size_t> offsets;
    size_t bytes = 0;
    for (size_t map = 0; map < last(); ++map) {
      offsets.push_back(bytes);
      bytes += align(static_cast<size_t>(capacity_[map]) * row_bytes(map));
    }
    stripes_.scratch_offset_ = bytes;
    stripes_.part_bytes_ = bytes + align(scratch_);
    const auto settle = [&offsets](Stripes::Place& place) {
      if (place.buffered) place.offset += offsets[static_cast<size_t>(place.id)];
    };
    for (std::vector<Stripes::Stripe>& part : stripes_.parts_) {
      for (Stripes::Stripe& stripe : part) {
        for (Stripes::Move& move : stripe.moves) {
          move.to = offsets[move.to];
          move.from += move.to;
        }
        for (Stripes::Call& call : stripe.calls) {
          std::ranges::for_each(call.sources, settle);
          settle(call.target);
        }
      }
    }
  }

  const RowGraph& rows_;
  std::vector<size_t> position_;  // of each node of the graph in the run; kNone: it is not part of it
  Stripes stripes_;
  std::vector<std::vector<Reader>> readers_;  // of each map
  std::vector<int64_t> next_;                 // of each node the first row that is not yet computed
  std::vector<int64_t> base_, capacity_;      // of each map's buffer the row where it begins, and its rows
  size_t scratch_ = 0;
};

std::vector<Stripes> Stripes::find(const Graph& graph, std::span<const PlannedNode> nodes, const StripeLimits& limits) {
  const RowGraph rows(graph, nodes);
  const int threads = thread_count();
  std::vector<Stripes> found;
  for (StripeRun& run : choose_stripe_runs(rows, limits, kMostInputs, kMostOutputs)) {
    found.push_back(StripesBuilder(rows, std::move(run.nodes)).build(run.rows, threads));
  }
  return found;
}

void Stripes::run_call(const Call& call, const Graph& graph, const PlannedNode& planned, const Memory& memory,
                       std::byte* buffers, const StepScalars& step) const {
  const auto view_of = [&](const Place& place, const TensorType& type) {
    if (place.id == kNoValue) return View();
    if (place.buffered) return View{type.dtype, buffers + place.offset};
    const View& whole = memory.views[static_cast<size_t>(place.id)];
    return View{whole.dtype, whole.data + place.offset};
  };
  std::array<View, kMostInputs> inputs;
  std::array<View, kMostOutputs> outputs;
  for (size_t i = 0; i < call.sources.size(); ++i) inputs.at(i) = view_of(call.sources[i], call.inputs[i]);
  outputs[0] = view_of(call.target, call.outputs[0]);
  planned.kernel->run({*graph.nodes()[call.node].op, call.inputs, call.outputs, planned.prepared, call.rows_above},
                      {std::span(inputs).first(call.sources.size()), std::span(outputs).first(call.outputs.size()),
                       buffers + scratch_offset_, step, memory.prepared[call.node]});
}

void Stripes::run(const Graph& graph, std::span<const PlannedNode> planned, const Memory& memory,
                  const StepScalars& step, std::span<double> seconds) const {
  using Clock = std::chrono::steady_clock;
  // Threads add up to their own sums, which are kept apart.
  std::vector<double> taken(seconds.empty() ? 0 : parts_.size() * seconds.size());
  parallel_for(static_cast<int64_t>(parts_.size()), [&](int64_t task, int) {
    const auto part = static_cast<size_t>(task);
    const TeamScope scope(*alone_);
    std::byte* buffers = memory.workspace + part * part_bytes_;
    for (const Stripe& stripe : parts_[part]) {
      for (const Move& move : stripe.moves) std::memmove(buffers + move.to, buffers + move.from, move.bytes);
      for (const Call& call : stripe.calls) {
        if (seconds.empty()) {
          run_call(call, graph, planned[call.node], memory, buffers, step);
          continue;
        }
        const Clock::time_point start = Clock::now();
        run_call(call, graph, planned[call.node], memory, buffers, step);
        const std::chrono::duration<double> time = Clock::now() - start;
        taken[part * seconds.size() + call.node] += time.count();
      }
    }
  });
  for (size_t i = 0; i < taken.size(); ++i) {
    seconds[i % seconds.size()] += taken[i] / static_cast<double>(parts_.size());
  }
}

}  // namespace convoy
