// The CPU's kernels of the updates, step by step beside the double-precision references.
#include "ops/optimizer/optimizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "convoy/error.h"
#include "core/buffer.h"
#include "core/random.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr int64_t kCount = 1003;
constexpr int64_t kUpdates = 8;

struct Input {
  Shape shape{kCount};
  float low = -1, high = 1;
  bool present = true;
  bool moves = false;  // drawn anew before every update, although the op changes it
};

const Input kSecondMoment{.low = 0.1F, .high = 1};
const Input kScale{.shape = {}, .low = 0.2F, .high = 0.8F};
const Input kAbsent{.present = false};
const Input kMoving{.moves = true};

struct Case {
  std::string name;
  std::shared_ptr<const Op> op;
  std::vector<Input> inputs;
  StepScalars start = {.learning_rate = 0.02F};
};

const Kernel& cpu_kernel(const Op& op) {
  for (const KernelTable& table : cpu_kernel_tables()) {
    if (table.op == op.name()) return table.kernels.front();
  }
  throw Error("there is no kernel of that op");
}

// A tensor as the kernel has it, and as the reference.
struct Twin {
  ReferenceTensor reference;
  Buffer memory;

  explicit Twin(const TensorType& type) : reference{type, {}} {
    if (!type.present) return;
    const int64_t count = type.shape.elements();
    reference.data.resize(static_cast<size_t>(count));
    memory = Buffer(static_cast<size_t>(count) * sizeof(float));
  }

  View view() const { return {DType::f32, memory.data()}; }
  void draw(RandomStream& random, float low, float high) {
    for (size_t i = 0; i < reference.data.size(); ++i) {
      reference.data[i] = memory.floats()[i] = random.uniform(low, high);
    }
  }
  // Every difference up to `tolerance` of the largest element.
  void expect_same(double tolerance) const {
    double largest = 0;
    for (const double x : reference.data) largest = std::max(largest, std::abs(x));
    for (size_t i = 0; i < reference.data.size(); ++i) {
      ASSERT_NEAR(memory.floats()[i], reference.data[i], tolerance * largest) << "element " << i;
    }
  }
};

class UpdateOps : public testing::TestWithParam<Case> {
 protected:
  UpdateOps() {
    for (const Input& input : GetParam().inputs) {
      input_types.push_back(input.present ? TensorType{input.shape} : TensorType::absent());
      inputs.emplace_back(input_types.back()).draw(random, input.low, input.high);
    }
    check_slots(op, input_types);
    output_types = op.infer(input_types);
    for (const TensorType& type : output_types) outputs.emplace_back(type);
  }

  void draw_inputs() {
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Input& input = GetParam().inputs[i];
      if (input.moves || !op.mutates(static_cast<int>(i))) inputs[i].draw(random, input.low, input.high);
    }
  }
  void run_kernel(const StepScalars& step) {
    const Kernel& kernel = cpu_kernel(op);
    const NodeSpec spec{op, input_types, output_types};
    std::vector<View> input_views, output_views;
    for (const Twin& twin : inputs) input_views.push_back(twin.view());
    for (const Twin& twin : outputs) output_views.push_back(twin.view());
    const Buffer workspace(kernel.workspace == nullptr ? 0 : kernel.workspace(spec));
    kernel.run(spec, {input_views, output_views, workspace.data(), step});
  }
  void run_reference(const StepScalars& step) {
    std::vector<ReferenceTensor> from, to;
    for (const Twin& twin : inputs) from.push_back(twin.reference);
    for (const Twin& twin : outputs) {
      to.push_back({twin.reference.type, std::vector<double>(twin.reference.data.size())});
    }
    op.reference(from, to, step);
    for (size_t i = 0; i < from.size(); ++i) inputs[i].reference = from[i];
    for (size_t i = 0; i < to.size(); ++i) outputs[i].reference = to[i];
  }

  const Op& op = *GetParam().op;
  RandomStream random{7, "update ops", 0};
  std::vector<Twin> inputs, outputs;
  std::vector<TensorType> input_types, output_types;
};

TEST_P(UpdateOps, KernelAgreesWithReference) {
  for (int64_t t = 0; t < kUpdates; ++t) {
    SCOPED_TRACE("update " + std::to_string(t));
    StepScalars step = GetParam().start;
    step.update += t;
    step.step = 2 * step.update;
    step.updates = kUpdates;
    step.learning_rate /= static_cast<float>(t + 1);
    draw_inputs();
    run_kernel(step);
    run_reference(step);
    for (size_t i = 0; i < inputs.size(); ++i) {
      SCOPED_TRACE("input " + std::to_string(i));
      inputs[i].expect_same(op.mutates(static_cast<int>(i)) ? 1e-5 : 0);
    }
    for (const Twin& output : outputs) output.expect_same(1e-5);
  }
}

TEST_P(UpdateOps, AreMadeFromTheirAttributes) {
  const auto made = find_op_type(op.name()).make(op.attributes());
  EXPECT_TRUE(same_op(*made, op)) << to_string(made->attributes());
}

std::vector<Case> cases() {
  const UpdateAttributes l2{.weight_decay = 0.1F};
  const UpdateAttributes decoupled{.weight_decay = 0.3F, .decoupled = true, .lr_scale = 0.5F};
  const UpdateAttributes thawed{.weight_decay = 0.3F, .decoupled = true, .first = 3};
  const StepScalars scheduled{.learning_rate = 0.02F, .momentum = 0.8F};
  const StepScalars after_thawing{.update = 3, .learning_rate = 0.02F};
  const auto sgd = [](const SgdOp::Attributes& a) { return std::make_shared<SgdOp>(a); };
  const auto adam = [](const MomentAttributes& a) { return std::make_shared<AdamOp>(a); };
  const auto rmsprop = [](const RmspropOp::Attributes& a) { return std::make_shared<RmspropOp>(a); };
  const auto lamb = [](const MomentAttributes& a) { return std::make_shared<LambOp>(a); };
  const auto lion = [](const LionOp::Attributes& a) { return std::make_shared<LionOp>(a); };
  const auto muon = [](const MuonOp::Attributes& a) { return std::make_shared<MuonOp>(a); };
  const std::vector<Input> one_state{{}, {}, {}, kAbsent}, one_state_scaled{{}, {}, {}, kScale};
  const std::vector<Input> two_states{{}, {}, kSecondMoment, {}, kAbsent};
  const std::vector<Input> two_states_scaled{{}, {}, kSecondMoment, {}, kScale};
  const std::vector<Input> second_first{{}, kSecondMoment, {}, {}, kAbsent};
  const std::vector<Input> second_first_scaled{{}, kSecondMoment, {}, {}, kScale};
  const std::vector<Input> second_alone{{}, kSecondMoment, kAbsent, {}, kAbsent};
  const auto matrices = [](const Shape& shape, const Input& scale) {
    return std::vector<Input>{{.shape = shape}, {.shape = shape}, {.shape = shape}, scale};
  };
  const std::vector<Input> gradients{{.shape = {3, 3, 5, 7}}, {.shape = {20011}}, {.shape = {}}};
  return {
      {"sgd", sgd({.momentum = 0}), {{}, kAbsent, {}, kAbsent}},
      {"sgd_decayed", sgd({.momentum = 0, .nesterov = true, .update = l2}), {{}, kAbsent, {}, kScale}},
      {"sgd_momentum", sgd({.update = l2}), one_state},
      {"sgd_nesterov", sgd({.nesterov = true, .update = l2}), one_state_scaled},
      {"sgd_decoupled", sgd({.nesterov = true, .update = decoupled}), one_state},
      {"sgd_scheduled", sgd({}), one_state, scheduled},
      {"adam", adam({}), two_states},
      {"adam_decayed", adam({.update = l2}), two_states_scaled},
      {"adam_decoupled", adam({.update = decoupled}), two_states_scaled},
      {"adam_thawed", adam({.eps = 1e-3F, .update = thawed}), two_states, after_thawing},
      {"adam_scheduled", adam({}), two_states, scheduled},
      {"rmsprop", rmsprop({.update = l2}), second_first_scaled},
      {"rmsprop_plain", rmsprop({.momentum = 0}), second_alone},
      {"rmsprop_decoupled", rmsprop({.alpha = 0.99F, .eps = 0.03F, .update = decoupled}), second_first},
      {"rmsprop_scheduled", rmsprop({}), second_first, scheduled},
      {"rmsprop_tensorflow", rmsprop({.tensorflow = true, .eps = 0.1F, .update = l2}), second_first_scaled},
      {"rmsprop_tensorflow_plain", rmsprop({.tensorflow = true, .momentum = 0, .eps = 0.1F}), second_alone},
      {"rmsprop_tensorflow_decoupled", rmsprop({.tensorflow = true, .update = decoupled}), second_first},
      {"lamb", lamb({.eps = 1e-2F, .update = l2}), two_states_scaled},
      {"lamb_undecayed", lamb({}), two_states},
      {"lamb_decoupled", lamb({.update = decoupled}), two_states},
      {"lamb_thawed", lamb({.update = thawed}), two_states, after_thawing},
      {"lamb_scheduled", lamb({.update = l2}), two_states, scheduled},
      {"lion", lion({}), one_state},
      {"lion_decoupled", lion({.update = decoupled}), one_state_scaled},
      {"lion_scheduled", lion({}), one_state, scheduled},
      {"muon_wide", muon({}), matrices({13, 37}, kAbsent)},
      {"muon_tall", muon({.update = decoupled}), matrices({37, 13}, kScale)},
      {"muon_convolution", muon({.update = thawed}), matrices({3, 3, 5, 21}, kAbsent), scheduled},
      {"clip_factor", std::make_shared<ClipFactorOp>(0.5F), gradients},
      {"clip_factor_of_little", std::make_shared<ClipFactorOp>(1e-4F), {{.low = -1e-5F, .high = 1e-5F}}},
      {"clip_factor_unclipped", std::make_shared<ClipFactorOp>(1e6F), gradients},
      {"moving_average", std::make_shared<MovingAverageOp>(0.7), {{}, {}}},
      {"lookahead", std::make_shared<LookaheadOp>(3, 0.95), {kMoving, {}}},
      {"lookahead_ends_with_a_step", std::make_shared<LookaheadOp>(4, 0.95), {kMoving, {}}},
      {"accumulate", std::make_shared<AccumulateOp>(), {{}, {}}},
      {"clear", std::make_shared<ClearOp>(), {kMoving}},
  };
}

INSTANTIATE_TEST_SUITE_P(All, UpdateOps, testing::ValuesIn(cases()), [](const auto& info) { return info.param.name; });

const TensorType kVector{{7}};

void expect_refused(const Op& op, const std::vector<TensorType>& inputs, const char* what) {
  EXPECT_THAT(([&] { op.infer(inputs); }), ThrowsMessage<Error>(HasSubstr(what)));
}

TEST(UpdateOpsInfer, RefusesWhatDoesNotFit) {
  const TensorType absent = TensorType::absent(), shorter{{6}}, row{{1, 7}}, scalar{Shape{}};
  expect_refused(SgdOp(), {kVector, shorter, kVector, absent}, "sgd: expected its momentum to be 7, got 6");
  expect_refused(SgdOp(), {kVector, kVector, row, absent}, "sgd: expected its grad_weight to be 7, got 1x7");
  expect_refused(SgdOp(), {kVector, kVector, kVector, kVector}, "sgd: expected its grad_scale to be scalar, got 7");
  expect_refused(SgdOp(), {kVector, absent, kVector, absent}, "sgd: expected a tensor of the momentum 0.9, got none");
  expect_refused(AdamOp(), {kVector, kVector, shorter, kVector, absent}, "adam: expected its second_moment to be 7");
  expect_refused(RmspropOp(), {kVector, kVector, absent, kVector, absent},
                 "rmsprop: expected a tensor of the momentum");
  expect_refused(LambOp(), {kVector, shorter, kVector, kVector, absent}, "lamb: expected its first_moment to be 7");
  expect_refused(LionOp(), {kVector, kVector, shorter, absent}, "lion: expected its grad_weight to be 7, got 6");
  expect_refused(MuonOp(), {scalar, scalar, scalar, absent}, "muon: expected its weight to have 2 to 6 axes");
  expect_refused(MuonOp(), {kVector, kVector, kVector, absent}, "muon: expected its weight to have 2 to 6 axes, got 7");
  expect_refused(MovingAverageOp(), {kVector, shorter}, "moving_average: expected its value to be 7, got 6");
  expect_refused(LookaheadOp(), {kVector, shorter}, "lookahead: expected its slow to be 7, got 6");
  expect_refused(AccumulateOp(), {kVector, row}, "accumulate: expected its term to be 7, got 1x7");
}

TEST(UpdateOpsInfer, RefusesAttributesThatMeanNothing) {
  const auto sgd = [](const SgdOp::Attributes& attributes, const char* what) {
    expect_refused(SgdOp(attributes), {kVector, kVector, kVector, TensorType::absent()}, what);
  };
  sgd({.momentum = -0.1F}, "sgd: expected its momentum to be from 0 to 1, got -0.1");
  sgd({.momentum = std::nanf("")}, "got nan");
  sgd({.update = {.weight_decay = -1}}, "sgd: expected its weight_decay to be at least 0, got -1");
  sgd({.update = {.lr_scale = -1}}, "sgd: expected its lr_scale to be at least 0, got -1");
  sgd({.update = {.first = -1}}, "sgd: expected its first to be at least 0, got -1");
  const std::vector<TensorType> five(5, kVector);
  expect_refused(AdamOp({.beta1 = 2}), five, "adam: expected its beta1 to be from 0 to 1, got 2");
  expect_refused(LambOp({.beta2 = 2}), five, "lamb: expected its beta2 to be from 0 to 1, got 2");
  expect_refused(RmspropOp({.alpha = 2}), five, "rmsprop: expected its alpha to be from 0 to 1, got 2");
  expect_refused(RmspropOp({.eps = -1}), five, "rmsprop: expected its eps to be at least 0, got -1");
  const std::vector<TensorType> four(4, kVector);
  expect_refused(LionOp({.update = {.weight_decay = 0.5F}}), four,
                 "lion: expected its weight_decay 0.5 to be decoupled");
  expect_refused(MuonOp({.update = {.weight_decay = 0.5F}}), four,
                 "muon: expected its weight_decay 0.5 to be decoupled");
  expect_refused(ClipFactorOp(-1), {kVector}, "clip_factor: expected its max_norm to be at least 0, got -1");
  expect_refused(MovingAverageOp(1.5), {kVector, kVector}, "moving_average: expected its decay to be from 0 to 1");
  expect_refused(LookaheadOp(0, 0.5), {kVector, kVector}, "lookahead: expected its every to be at least 1, got 0");
  expect_refused(LookaheadOp(5, -1), {kVector, kVector}, "lookahead: expected its decay to be from 0 to 1, got -1");
}

TEST(UpdateOpsText, SaysWhatDiffersFromTheUsual) {
  const SgdOp plain({.update = {.weight_decay = 1e-4F}});
  EXPECT_EQ(to_string(plain.attributes()), "momentum=0.9 weight_decay=0.0001");
  const SgdOp all({0.5F, true, {.weight_decay = 0.1F, .decoupled = true, .lr_scale = 0.25F, .first = 3}});
  EXPECT_EQ(to_string(all.attributes()), "momentum=0.5 nesterov weight_decay=0.1 decoupled lr_scale=0.25 first=3");
  EXPECT_EQ(to_string(AdamOp().attributes()), "beta1=0.9 beta2=0.999 eps=1e-08 weight_decay=0");
  EXPECT_EQ(to_string(RmspropOp({.tensorflow = true}).attributes()),
            "tensorflow alpha=0.9 momentum=0.9 eps=1e-08 weight_decay=0");
  EXPECT_EQ(to_string(ClearOp().attributes()), "");
}

}  // namespace
}  // namespace convoy
