// A choice is a set of forward nodes whose first outputs are dropped behind their last reader in the forward pass and
// made again before their first in the backward pass. The excess of a choice is the memory above what is allowed,
// summed over all positions of the step. Greedily, the nodes join it that take away most excess for their work, until
// there is none; then those leave it that need not be there.
#include "plan/recompute.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>
#include <queue>
#include <utility>

#include "core/cpu.h"
#include "graph/work.h"
#include "ops/all_reduce/all_reduce.h"
#include "ops/batch_norm/batch_norm.h"

namespace convoy {
namespace {

// As long as moving one number of a map takes, kernels do about so many multiply-adds.
double multiply_adds_per_number(DType maps) {
  if (maps == DType::f32) return 20;
  return has_matrix_tiles() ? 50 : 10;
}

// Of the whole arena, what is aimed at where work is limited.
constexpr double kWithinWork = 0.75;

// In numbers of maps that are moved.
double work_of(const Graph& graph, const Node& node, DType maps) {
  double work = static_cast<double>(multiply_adds(graph, node)) / multiply_adds_per_number(maps);
  for (const std::vector<ValueId>* ids : {&node.inputs, &node.outputs}) {
    for (const TensorType& type : graph.types(*ids)) {
      if (type.present) work += static_cast<double>(type.shape.elements());
    }
  }
  return work;
}

std::vector<ValueId> changed_by(const Node& node) {
  std::vector<ValueId> changed;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] != kNoValue && node.op->mutates(static_cast<int>(i))) changed.push_back(node.inputs[i]);
  }
  return changed;
}

// What makes the first output of `node` again and changes nothing; null where nothing does.
std::optional<Node> repeat(Graph& graph, const Node& node) {
  using Norm = BatchNormOp;
  if (const auto* norm = op_as<Norm>(node)) {
    return graph.make_node(std::make_shared<BatchNormApplyOp>(norm->batch_norm().activation),
                           {node.inputs[Norm::kX], node.inputs[Norm::kWeight], node.inputs[Norm::kBias],
                            node.outputs[Norm::kMean], node.outputs[Norm::kInvStd], node.inputs[Norm::kResidual]});
  }
  if (node.outputs.empty() || node.outputs[0] == kNoValue || !changed_by(node).empty()) return std::nullopt;
  if (op_as<AllReduceOp>(node) != nullptr || op_as<AllReduceWaitOp>(node) != nullptr) return std::nullopt;
  return graph.make_node(node.op, node.inputs);
}

class Recomputer {
 public:
  Recomputer(const Graph& step, const ProgramOptions& options)
      : graph_(step), count_(step.nodes().size()), maps_(options.maps) {
    for (size_t i = 0; i < count_; ++i) {
      const Node& node = graph_.nodes()[i];
      for (const ValueId id : node.outputs) {
        if (id != kNoValue && is_output(id)) turn_ = i + 1;
      }
      work_of_step_ += work_of(graph_, node, maps_);
      changed_.push_back(changed_by(node));
    }
    add_repeats();
    // The kernels of all, and so their workspaces.
    memory_ = Program(graph_, options).step_memory();
    for (size_t i = 0; i < turn_; ++i) {
      if (repeat_[i] > 0) memory_.nodes[repeat_[i]].outputs[0] = graph_.nodes()[i].outputs[0];
    }
    find_moves();
  }

  std::optional<Recomputation> run(size_t allowed) const {
    Choice choice(turn_);
    size_t limit = allowed;
    // What is laid out has gaps: those of one round are saved in the next.
    for (;;) {
      if (!cover(choice, limit)) return std::nullopt;
      Choice lean = choice;
      leave_out_needless(lean, limit);
      const std::vector<int> order = *order_of(lean);
      const size_t bytes = arena_bytes(order);
      if (bytes <= allowed) return rewritten(order);
      const size_t gaps = std::max(bytes - allowed, allowed / 256 + 1);
      if (gaps >= limit) return std::nullopt;
      limit -= gaps;
    }
  }

  Recomputation run_within(double work) const {
    const size_t whole = whole_bytes();
    Choice choice(turn_);
    cover(choice, static_cast<size_t>(kWithinWork * static_cast<double>(whole)), work * work_of_step_);
    leave_out_needless(choice, std::ranges::max(*bytes_of(choice)));
    const std::vector<int> order = *order_of(choice);
    return rewritten(arena_bytes(order) < whole ? order : whole_order());
  }

  size_t smallest() const {
    size_t fits = whole_bytes(), too_small = 0;
    while (fits - too_small > fits / 100) {
      const size_t middle = too_small + (fits - too_small) / 2;
      (run(middle) ? fits : too_small) = middle;
    }
    return fits;
  }

 private:
  using Choice = std::vector<bool>;  // of the forward nodes, those that are repeated
  using Move = std::vector<size_t>;  // forward nodes that join a choice together

  bool is_output(ValueId id) const {
    return std::ranges::any_of(graph_.outputs(), [id](const auto& output) { return output.second == id; });
  }

  void add_repeats() {
    repeat_.assign(turn_, 0);
    repeat_work_.assign(turn_, 0);
    maker_.assign(static_cast<size_t>(graph_.value_count()), kNoMaker);
    read_behind_.assign(static_cast<size_t>(graph_.value_count()), false);
    for (size_t i = 0; i < turn_; ++i) {
      const Node node = graph_.nodes()[i];
      if (!node.outputs.empty() && node.outputs[0] != kNoValue && is_output(node.outputs[0])) continue;
      std::optional<Node> again = repeat(graph_, node);
      if (!again) continue;
      maker_[static_cast<size_t>(node.outputs[0])] = i;
      repeat_[i] = graph_.nodes().size();
      repeat_work_[i] = work_of(graph_, *again, maps_);
      graph_.nodes().push_back(std::move(*again));
    }
    for (size_t i = turn_; i < count_; ++i) {
      for (const ValueId id : graph_.nodes()[i].inputs) {
        if (id != kNoValue) read_behind_[static_cast<size_t>(id)] = true;
      }
    }
  }

  // The node that can be repeated for a value; kNoMaker: none.
  size_t maker(ValueId id) const {
    return id == kNoValue || static_cast<size_t>(id) >= maker_.size() ? kNoMaker : maker_[static_cast<size_t>(id)];
  }

  // Each value that the backward pass reads alone, and together with those that must be repeated, too, lest they are
  // kept for it.
  void find_moves() {
    for (size_t i = 0; i < turn_; ++i) {
      if (repeat_[i] == 0 || !read_behind_[static_cast<size_t>(graph_.nodes()[i].outputs[0])]) continue;
      moves_.push_back({i});
      Move together{i};
      for (size_t next = 0; next < together.size(); ++next) {
        for (const ValueId id : memory_.nodes[repeat_[together[next]]].inputs) {
          const size_t from = maker(id);
          if (from == kNoMaker || read_behind_[static_cast<size_t>(id)]) continue;
          if (std::ranges::find(together, from) == together.end()) together.push_back(from);
        }
      }
      if (together.size() > 1) moves_.push_back(std::move(together));
    }
  }

  // The nodes as they run; nullopt where one would be repeated when what it reads has changed.
  std::optional<std::vector<int>> order_of(const Choice& choice) const {
    std::vector<int> order(turn_);
    std::iota(order.begin(), order.end(), 0);
    Choice missing = choice;
    std::vector<bool> changed(maker_.size());
    Move wanted;
    for (size_t i = turn_; i < count_; ++i) {
      wanted.clear();
      const auto want = [&](const std::vector<ValueId>& ids) {
        for (const ValueId id : ids) {
          const size_t from = maker(id);
          if (from == kNoMaker || !missing[from]) continue;
          missing[from] = false;
          wanted.push_back(from);
        }
      };
      want(memory_.nodes[i].inputs);
      for (size_t next = 0; next < wanted.size(); ++next) want(memory_.nodes[repeat_[wanted[next]]].inputs);
      std::ranges::sort(wanted);
      for (const size_t from : wanted) {
        for (const ValueId id : memory_.nodes[repeat_[from]].inputs) {
          if (id != kNoValue && changed[static_cast<size_t>(id)]) return std::nullopt;
        }
        order.push_back(static_cast<int>(repeat_[from]));
      }
      for (const ValueId id : changed_[i]) changed[static_cast<size_t>(id)] = true;
      order.push_back(static_cast<int>(i));
    }
    return order;
  }

  // At each position of the step; nullopt as order_of().
  std::optional<std::vector<size_t>> bytes_of(const Choice& choice) const {
    const std::optional<std::vector<int>> order = order_of(choice);
    if (!order) return std::nullopt;
    return live_bytes(assign_blocks(memory_, *order).lifetimes, order->size());
  }

  double excess(const Choice& choice, size_t limit) const {
    const std::optional<std::vector<size_t>> all = bytes_of(choice);
    if (!all) return std::numeric_limits<double>::infinity();
    double sum = 0;
    for (const size_t bytes : *all) {
      if (bytes > limit) sum += static_cast<double>(bytes - limit);
    }
    return sum;
  }

  // Excess that a move takes away, for its work; 0 where all work is then more than `most_work`.
  double worth(const Move& move, Choice choice, size_t limit, double excess_now, double most_work) const {
    double work = 0;
    for (const size_t node : move) {
      if (!choice[node]) work += repeat_work_[node];
      choice[node] = true;
    }
    return work == 0 || repeat_work(choice) > most_work ? 0 : (excess_now - excess(choice, limit)) / work;
  }

  double repeat_work(const Choice& choice) const {
    double work = 0;
    for (size_t node = 0; node < turn_; ++node) {
      if (choice[node]) work += repeat_work_[node];
    }
    return work;
  }

  std::vector<int> whole_order() const { return *order_of(Choice(turn_)); }
  size_t whole_bytes() const { return arena_bytes(whole_order()); }
  size_t arena_bytes(std::span<const int> order) const {
    return lay_out(assign_blocks(memory_, order).lifetimes).bytes;
  }

  // Adds to the choice until nothing is above the limit; false where nothing more helps, or only more than `most_work`.
  // A move's worth mostly falls as others are made, so that only the one that was best needs to be seen again.
  bool cover(Choice& choice, size_t limit, double most_work = std::numeric_limits<double>::infinity()) const {
    struct Candidate {
      double worth;
      size_t move;
      int seen;  // in which round
      bool operator<(const Candidate& other) const {
        return std::pair(worth, move) < std::pair(other.worth, other.move);
      }
    };
    double now = excess(choice, limit);
    std::priority_queue<Candidate> queue;
    for (int round = 1; now > 0; ++round) {
      bool fresh = false;
      if (queue.empty()) {
        fresh = true;
        for (size_t move = 0; move < moves_.size(); ++move) {
          if (const double value = worth(moves_[move], choice, limit, now, most_work); value > 0)
            queue.push({value, move, round});
        }
      }
      while (!queue.empty() && queue.top().seen != round) {
        const size_t move = queue.top().move;
        queue.pop();
        if (const double value = worth(moves_[move], choice, limit, now, most_work); value > 0)
          queue.push({value, move, round});
      }
      if (queue.empty() && fresh) return false;
      if (queue.empty()) continue;
      for (const size_t node : moves_[queue.top().move]) choice[node] = true;
      queue.pop();
      now = excess(choice, limit);
    }
    return true;
  }

  // The most work first.
  void leave_out_needless(Choice& choice, size_t limit) const {
    Move members;
    for (size_t node = 0; node < turn_; ++node) {
      if (choice[node]) members.push_back(node);
    }
    std::ranges::stable_sort(members, std::ranges::greater(), [&](size_t node) { return repeat_work_[node]; });
    for (const size_t node : members) {
      choice[node] = false;
      if (excess(choice, limit) > 0) choice[node] = true;
    }
  }

  Recomputation rewritten(std::span<const int> order) const {
    Recomputation result{.graph = graph_, .nodes = 0, .work = 0};
    std::vector<ValueId> made(static_cast<size_t>(graph_.value_count()));  // what has each value now
    std::iota(made.begin(), made.end(), 0);
    std::vector<Node> nodes;
    for (const int i : order) {
      Node& node = nodes.emplace_back(graph_.nodes()[static_cast<size_t>(i)]);
      for (ValueId& id : node.inputs) {
        if (id != kNoValue) id = made[static_cast<size_t>(id)];
      }
      if (static_cast<size_t>(i) < count_) continue;
      made[static_cast<size_t>(memory_.nodes[static_cast<size_t>(i)].outputs[0])] = node.outputs[0];
      ++result.nodes;
      result.work += work_of(graph_, node, maps_) / work_of_step_;
    }
    result.graph.nodes() = std::move(nodes);
    return result;
  }

  static constexpr size_t kNoMaker = std::numeric_limits<size_t>::max();

  Graph graph_;   // the step, and behind it the repeats
  size_t count_;  // nodes of the step
  DType maps_;
  size_t turn_ = 0;  // of these, the forward ones
  double work_of_step_ = 0;
  std::vector<std::vector<ValueId>> changed_;  // variables, by each node of the step
  std::vector<size_t> repeat_;                 // of each forward node; 0: it has none
  std::vector<double> repeat_work_;
  std::vector<size_t> maker_;      // of each value of the step
  std::vector<bool> read_behind_;  // in the backward pass: each value of the step
  StepMemory memory_;              // of graph_, where repeats make the value of what they repeat
  std::vector<Move> moves_;
};

}  // namespace

std::optional<Recomputation> recompute(const Graph& step, const ProgramOptions& options, size_t arena_bytes) {
  return Recomputer(step, options).run(arena_bytes);
}

Recomputation recompute_within(const Graph& step, const ProgramOptions& options, double work) {
  return Recomputer(step, options).run_within(work);
}

size_t smallest_arena(const Graph& step, const ProgramOptions& options) { return Recomputer(step, options).smallest(); }

}  // namespace convoy
