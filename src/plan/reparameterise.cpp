#include "plan/reparameterise.h"

#include <algorithm>
#include <initializer_list>
#include <mutex>
#include <set>
#include <utility>

#include "core/parallel.h"
#include "graph/copy.h"
#include "ops/batch_norm/batch_norm.h"
#include "ops/channel_scale/channel_scale.h"
#include "ops/sum/sum.h"
#include "plan/graph_index.h"

namespace convoy {
namespace {

using FormPtr = std::shared_ptr<const LinearForm>;
using Kind = LinearForm::Kind;

// The largest linear branches of a graph.
class Branches {
 public:
  explicit Branches(const Graph& graph) : graph_(graph), index_(graph) {
    for (const Node& node : graph.nodes()) {
      FormPtr form = form_of(node);
      if (form != nullptr) forms_[node.outputs[0]] = std::move(form);
    }
  }

  // The form of a value that is to become one convolution; null where it stays as it is.
  FormPtr rewritten(ValueId id) const {
    const auto found = forms_.find(id);
    if (found == forms_.end() || found->second->kind == Kind::convolution || found->second->is_identity())
      return nullptr;
    return found->second;
  }

  // How often each rule made a part of the forms that are used.
  static void count_rules(const LinearForm& form, std::map<std::string_view, int>& rules) {
    for (const FormPtr& part : form.parts) count_rules(*part, rules);
    switch (form.kind) {
      case Kind::norm: ++rules["norm"]; break;
      case Kind::scale: ++rules["scale"]; break;
      case Kind::parallel: ++rules["parallel"]; break;
      case Kind::pointwise: ++rules["pointwise"]; break;
      case Kind::convolution:
      case Kind::identity: break;
    }
  }

 private:
  // The form of a value that only the node at hand reads.
  FormPtr part(ValueId id) const {
    const auto found = forms_.find(id);
    return found != forms_.end() && index_.read_once(id) ? found->second : nullptr;
  }

  const std::string& name(ValueId id) const {
    static const std::string kNone;
    return id == kNoValue ? kNone : graph_.value(id).name;
  }

  // Whether each of these inputs is a variable, or absent: what weights are computed from.
  bool are_variables(const Node& node, std::initializer_list<int> inputs) const {
    return std::ranges::all_of(inputs, [&](int i) {
      const ValueId id = node.inputs[static_cast<size_t>(i)];
      return id == kNoValue || graph_.value(id).is_variable();
    });
  }

  FormPtr form_of(const Node& node) const {
    if (const auto* conv = op_as<Conv2dOp>(node)) return convolution(node, *conv);
    if (const auto* norm = op_as<BatchNormOp>(node)) return batch_norm(node, *norm);
    if (op_as<ChannelScaleOp>(node) != nullptr) return channel_scale(node);
    if (op_as<SumOp>(node) != nullptr) return parallel(node);
    return nullptr;
  }

  FormPtr convolution(const Node& node, const Conv2dOp& conv) const {
    const ValueInfo& weight = graph_.value(node.inputs[1]);
    const bool plain = are_variables(node, {1, 2}) && node.inputs[3] == kNoValue && !conv.statistics() &&
                       conv.activation() == Activation::none;
    if (!plain) return nullptr;
    LinearForm form{.kind = Kind::convolution, .source = node.inputs[0], .parts = {}, .conv = conv.conv()};
    form.group_channels = weight.type.shape[2];
    form.out_channels = weight.type.shape[3];
    form.layout = weight.layout;
    form.weight = weight.name;
    form.bias = name(node.inputs[2]);
    if (const FormPtr before = part(node.inputs[0]); before != nullptr && can_multiply(*before, form)) {
      form.kind = Kind::pointwise;
      form.source = before->source;
      form.parts = {before};
      form.conv = before->conv;
      form.group_channels = before->group_channels;
      form.layout = before->layout;
    }
    return std::make_shared<LinearForm>(std::move(form));
  }

  // Whether a 1x1 convolution and the branch before it make one convolution of no more multiplications.
  static bool can_multiply(const LinearForm& before, const LinearForm& conv) {
    const Size2 one = 1, none = 0;
    const bool pointwise = conv.conv.kernel == one && conv.conv.stride == one && conv.conv.padding == none &&
                           conv.conv.extra_padding == none;
    if (!pointwise || before.is_identity() || before.conv.groups != 1 || conv.conv.groups != 1) return false;
    const int64_t inputs = before.conv.kernel.h * before.conv.kernel.w * before.group_channels;
    return inputs * conv.out_channels <= (inputs + conv.out_channels) * before.out_channels;
  }

  FormPtr identity(ValueId source) const {
    LinearForm form{.kind = Kind::identity, .source = source, .parts = {}, .conv = {}};
    form.out_channels = graph_.value(source).type.shape[-1];
    return std::make_shared<LinearForm>(std::move(form));
  }

  // A form of the same geometry on another's result.
  static LinearForm on(Kind kind, const FormPtr& part) {
    LinearForm form = *part;
    form.kind = kind;
    form.parts = {part};
    form.weight = form.bias = form.mean = form.variance = "";
    return form;
  }

  FormPtr batch_norm(const Node& node, const BatchNormOp& norm) const {
    const BatchNormAttributes& attributes = norm.batch_norm();
    const bool plain =
        !attributes.training && attributes.activation == Activation::none &&
        node.inputs[BatchNormOp::kResidual] == kNoValue &&
        are_variables(
            node, {BatchNormOp::kWeight, BatchNormOp::kBias, BatchNormOp::kRunningMean, BatchNormOp::kRunningVar}) &&
        index_.unread(node.outputs[BatchNormOp::kMean]) && index_.unread(node.outputs[BatchNormOp::kInvStd]);
    if (!plain) return nullptr;
    const ValueId x = node.inputs[BatchNormOp::kX];
    const FormPtr before = part(x);
    LinearForm form = on(Kind::norm, before != nullptr ? before : identity(x));
    form.weight = name(node.inputs[BatchNormOp::kWeight]);
    form.bias = name(node.inputs[BatchNormOp::kBias]);
    form.mean = name(node.inputs[BatchNormOp::kRunningMean]);
    form.variance = name(node.inputs[BatchNormOp::kRunningVar]);
    form.eps = attributes.eps;
    return std::make_shared<LinearForm>(std::move(form));
  }

  FormPtr channel_scale(const Node& node) const {
    const ValueInfo& scale = graph_.value(node.inputs[1]);
    const FormPtr before = part(node.inputs[0]);
    if (before == nullptr || !scale.is_variable() || scale.type.shape.rank() != 1 || node.inputs[2] != kNoValue) {
      return nullptr;
    }
    LinearForm form = on(Kind::scale, before);
    form.weight = scale.name;
    return std::make_shared<LinearForm>(std::move(form));
  }

  // The terms of a sum, those of sums that only it reads among them.
  void collect_terms(const Node& sum, std::vector<ValueId>& terms) const {
    for (const ValueId term : sum.inputs) {
      const int maker = index_.producer(term);
      const Node* inner = maker < 0 ? nullptr : &graph_.nodes()[static_cast<size_t>(maker)];
      const bool opens =
          inner != nullptr && op_as<SumOp>(*inner) != nullptr && !forms_.contains(term) && index_.read_once(term);
      if (opens) {
        collect_terms(*inner, terms);
      } else {
        terms.push_back(term);
      }
    }
  }

  FormPtr parallel(const Node& node) const {
    std::vector<ValueId> terms;
    collect_terms(node, terms);
    ValueId source = kNoValue;
    for (const ValueId term : terms) {
      if (const FormPtr form = part(term); form != nullptr && !form->is_identity()) source = form->source;
    }
    if (source == kNoValue) return nullptr;
    std::vector<FormPtr> parts;
    for (const ValueId term : terms) {
      parts.push_back(term == source ? identity(source) : part(term));
      if (parts.back() == nullptr || parts.back()->source != source) return nullptr;
    }
    const auto covers_all = [&](const FormPtr& whole) {
      return !whole->is_identity() && std::ranges::all_of(parts, [&](const FormPtr& other) {
        const bool same_groups = other->is_identity() || other->conv.groups == whole->conv.groups;
        return same_groups && place_in(whole->conv, other->conv).fits();
      });
    };
    const auto whole = std::ranges::find_if(parts, covers_all);
    if (whole == parts.end()) return nullptr;
    LinearForm form = on(Kind::parallel, *whole);
    form.parts = std::move(parts);
    return std::make_shared<LinearForm>(std::move(form));
  }

  const Graph& graph_;
  GraphIndex index_;
  std::map<ValueId, FormPtr> forms_;
};

// "conv1.fused." of "conv1.square.weight" and "conv1.horizontal.weight"; of a single name its module, "conv1.".
std::string module_for(const std::vector<std::string>& weights) {
  std::string common = weights[0].substr(0, weights[0].rfind('.') + 1);
  for (const std::string& name : weights) {
    while (!name.starts_with(common)) common.erase(common.size() < 2 ? 0 : common.rfind('.', common.size() - 2) + 1);
  }
  return weights.size() == 1 ? common : common + "fused.";
}

// Writes the graph anew: each rewritten value made by one convolution, and only what is still needed.
class Rewriter {
 public:
  explicit Rewriter(const Graph& graph)
      : graph_(graph),
        branches_(graph),
        needed_(static_cast<size_t>(graph.value_count()), false),
        result_{Graph(graph.mode()), {}, {}, {}} {
    find_needed();
  }

  Reparameterised run() {
    for (const Node& node : graph_.nodes()) {
      const bool used = std::ranges::any_of(node.outputs, [&](ValueId id) { return id != kNoValue && is_needed(id); });
      if (!used) continue;
      if (const FormPtr form = branches_.rewritten(node.outputs[0])) {
        place(node.outputs[0], add_convolution(form));
        Branches::count_rules(*form, result_.rewrites);
        continue;
      }
      std::vector<ValueId> inputs;
      for (const ValueId id : node.inputs) inputs.push_back(place_of(id));
      const std::vector<ValueId> outputs = result_.graph.add_node(node.op, inputs);
      for (size_t i = 0; i < outputs.size(); ++i) place(node.outputs[i], outputs[i]);
    }
    for (const auto& [name, id] : graph_.outputs()) result_.graph.set_output(name, place_of(id));
    return std::move(result_);
  }

 private:
  bool is_needed(ValueId id) const { return needed_[static_cast<size_t>(id)]; }

  void find_needed() {
    const auto need = [this](ValueId id) {
      if (id != kNoValue) needed_[static_cast<size_t>(id)] = true;
    };
    for (const auto& [name, id] : graph_.outputs()) need(id);
    for (size_t position = graph_.nodes().size(); position-- > 0;) {
      const Node& node = graph_.nodes()[position];
      if (!std::ranges::any_of(node.outputs, [&](ValueId id) { return id != kNoValue && is_needed(id); })) continue;
      if (const FormPtr form = branches_.rewritten(node.outputs[0])) {
        need(form->source);
      } else {
        std::ranges::for_each(node.inputs, need);
      }
    }
    // The names of what stays are taken.
    for (ValueId id = 0; id < graph_.value_count(); ++id) {
      if (is_needed(id) && !graph_.value(id).name.empty()) taken_.insert(graph_.value(id).name);
    }
  }

  void place(ValueId original, ValueId id) {
    places_[original] = id;
    result_.originals[id] = original;
  }

  ValueId place_of(ValueId id) {
    if (id == kNoValue) return kNoValue;
    const auto [place, is_new] = places_.emplace(id, kNoValue);
    // What a node makes is there before it is asked for.
    if (is_new) place->second = add_copy(result_.graph, graph_.value(id));
    return place->second;
  }

  ValueId add_convolution(const FormPtr& form) {
    std::string module = module_for(form->weights());
    while (taken_.contains(module + "weight") || taken_.contains(module + "bias")) module += "fused.";
    const std::string weight_name = module + "weight", bias_name = module + "bias";
    taken_.insert({weight_name, bias_name});
    const Shape shape{form->conv.kernel.h, form->conv.kernel.w, form->group_channels, form->out_channels};
    const ValueId source = place_of(form->source);
    const ValueId weight = result_.graph.add_parameter(weight_name, shape, Initializer::constant(0), form->layout);
    const ValueId bias =
        result_.graph.add_parameter(bias_name, {form->out_channels}, Initializer::constant(0), FileLayout::same);
    std::shared_ptr<const Op> op;
    if (form->layout == FileLayout::linear) {
      op = std::make_shared<LinearOp>();
    } else {
      op = std::make_shared<Conv2dOp>(form->conv);
    }
    result_.convolutions.push_back({weight_name, bias_name, form});
    return result_.graph.add_node(std::move(op), {source, weight, bias, kNoValue})[0];
  }

  const Graph& graph_;
  const Branches branches_;
  std::vector<bool> needed_;
  std::set<std::string> taken_;
  std::map<ValueId, ValueId> places_;  // in the new graph
  Reparameterised result_;
};

}  // namespace

Reparameterised reparameterise(const Graph& graph) { return Rewriter(graph).run(); }

WeightSource fused_weights(std::shared_ptr<const Reparameterised> fused, WeightSource original) {
  using Convolution = Reparameterised::Convolution;
  // A branch of several convolutions gives its weight and bias together, and the weight is asked for first.
  struct Known {
    std::map<std::string_view, const Convolution*> by_weight, by_bias;
    std::mutex mutex;
    std::map<std::string_view, std::vector<float>> biases;
  };
  const auto known = std::make_shared<Known>();
  for (const Convolution& convolution : fused->convolutions) {
    known->by_weight[convolution.weight] = known->by_bias[convolution.bias] = &convolution;
  }
  const auto elements = [graph = &fused->graph](const std::string& name) {
    return static_cast<size_t>(graph->value(graph->named(name)).type.shape.elements());
  };
  return [fused = std::move(fused), original = std::move(original), known, elements](const std::string& name,
                                                                                     std::span<float> into) {
    const auto weight = known->by_weight.find(name), bias = known->by_bias.find(name);
    if (weight != known->by_weight.end()) {
      std::vector<float> shift(elements(weight->second->bias));
      evaluate(*weight->second->form, original, into, shift);
      const std::scoped_lock lock(known->mutex);
      known->biases[weight->second->bias] = std::move(shift);
    } else if (bias != known->by_bias.end()) {
      {
        const std::scoped_lock lock(known->mutex);
        const auto found = known->biases.find(name);
        if (found != known->biases.end()) {
          std::ranges::copy(found->second, into.begin());
          return;
        }
      }
      std::vector<float> kernel(elements(bias->second->weight));
      evaluate(*bias->second->form, original, kernel, into);
    } else {
      original(name, into);
    }
  };
}

void fuse_weights(const Reparameterised& fused, const Variables& original, const Variables& into) {
  const WeightSource source = [&](const std::string& name, std::span<float> values) { original.read(name, values); };
  std::set<std::string_view> computed;
  for (const Reparameterised::Convolution& convolution : fused.convolutions) {
    computed.insert({convolution.weight, convolution.bias});
  }
  parallel_for(static_cast<int64_t>(fused.convolutions.size()), [&](int64_t i, int) {
    const Reparameterised::Convolution& convolution = fused.convolutions[static_cast<size_t>(i)];
    into.fill(convolution.weight, [&](std::span<float> weight) {
      into.fill(convolution.bias, [&](std::span<float> bias) { evaluate(*convolution.form, source, weight, bias); });
    });
  });
  for (ValueId id = 0; id < fused.graph.value_count(); ++id) {
    const ValueInfo& info = fused.graph.value(id);
    if (!info.is_variable() || computed.contains(info.name)) continue;
    into.fill(info.name, [&](std::span<float> values) { original.read(info.name, values); });
  }
}

}  // namespace convoy
