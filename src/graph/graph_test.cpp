#include "graph/graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "convoy/error.h"
#include "convoy/kernel.h"
#include "graph/autodiff.h"
#include "graph/work.h"

namespace convoy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

// A graph's own tests need no real op: this one adds its inputs up and says what it was asked.
class AddOp : public OpOf<AddOp> {
 public:
  static constexpr std::string_view kName = "test_add";
  static constexpr Slot kSlots[] = {{"left"}, {"middle", Slot::Kind::optional}, {"right"}, {"more", Slot::Kind::many}};
  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("window", self.window_, Size2(1));
    visit("flag", self.flag_, false);
    visit("weight", self.weight_);
    visit("activation", self.activation_, Activation::none);
  }

  explicit AddOp(float weight = 0) : weight_(weight) {}
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override { return {{inputs[0].shape}}; }
  void gradient(GradientScope& scope) const override {
    for (int i : {0, 2, 3}) {
      if (scope.wants(i)) scope.set_grad_input(i, scope.grad_output(0));
    }
  }
  int64_t multiply_adds(std::span<const TensorType>, std::span<const TensorType>) const override {
    return std::numeric_limits<int64_t>::max() / 2 + 1;
  }

  Size2 window_ = 1;
  bool flag_ = false;
  float weight_ = 0;
  Activation activation_ = Activation::none;
};

// The sum of gradients.
class TotalOp : public OpOf<TotalOp> {
 public:
  static constexpr std::string_view kName = "test_total";
  static constexpr Slot kSlots[] = {{"terms", Slot::Kind::many}};
  template <class Self, class Visitor>
  static void describe(Self&, Visitor&) {}
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override { return {{inputs[0].shape}}; }
};

class GraphTest : public testing::Test {
 protected:
  Graph graph_{Mode::training};
  ValueId x_ = graph_.add_input("x", {{2, 3}});
  ValueId w_ = graph_.add_parameter("w", {2, 3}, Initializer::normal(1), FileLayout::same, Role::head_weight);
  std::shared_ptr<const Op> add_ = std::make_shared<AddOp>(0.1F);
};

TEST_F(GraphTest, HoldsValuesUnderTheirNames) {
  EXPECT_EQ(graph_.named("w"), w_);
  EXPECT_EQ(graph_.value(w_).role, Role::head_weight);
  EXPECT_EQ(graph_.find_named("v"), kNoValue);
  EXPECT_THAT(graph_.parameters(), ElementsAre(w_));
  EXPECT_THROW(graph_.named("v"), Error);
  EXPECT_THROW(graph_.output("y"), Error);
  EXPECT_THAT([&] { graph_.add_state("w", {1}, {}); }, ThrowsMessage<Error>(HasSubstr("a tensor named 'w'")));
}

TEST_F(GraphTest, AsksForTheInputsOfAnOpsSlots) {
  const auto refused = [&](std::vector<ValueId> inputs, const char* why) {
    EXPECT_THAT([&] { graph_.add_node(add_, inputs); }, ThrowsMessage<Error>(HasSubstr(why)));
  };
  refused({x_, w_, x_}, "test_add: expected at least 4 inputs, got 3");
  refused({kNoValue, w_, x_, x_}, "test_add: its left is missing");
  refused({x_, w_, x_, kNoValue}, "test_add: its more is missing");
  refused({x_, w_, x_, x_, kNoValue}, "test_add: its more is missing");
  EXPECT_TRUE(graph_.nodes().empty());
  const ValueId y = graph_.add_node(add_, {x_, kNoValue, w_, x_, w_})[0];
  graph_.set_output("y", y);
  EXPECT_EQ(graph_.to_string(), "%2 = test_add(x, -, w, x, w) weight=0.1 : 2x3\noutput y = %2\n");
  EXPECT_NE(op_as<AddOp>(graph_.nodes()[0]), nullptr);
}

TEST_F(GraphTest, CountsWorkWithoutOverflow) {
  for (int i = 0; i < 3; ++i) graph_.add_node(add_, {x_, kNoValue, w_, x_});
  EXPECT_EQ(multiply_adds(graph_), std::numeric_limits<int64_t>::max());
}

// x takes part three times, w once: d/dx is a sum of three.
TEST_F(GraphTest, DifferentiatesWhatIsAskedAndNothingElse) {
  const ValueId y = graph_.add_node(add_, {x_, kNoValue, w_, x_})[0];
  const ValueId z = graph_.add_node(add_, {y, kNoValue, x_, y})[0];
  const std::pair<ValueId, ValueId> seed{z, graph_.add_constant({2, 3}, 1)};
  const size_t forward = graph_.nodes().size();
  Graph only_w = graph_;
  const auto total = std::make_shared<TotalOp>();
  const auto of_w = differentiate(only_w, {&seed, 1}, {w_}, total);
  EXPECT_EQ(of_w.size(), 1U);
  EXPECT_TRUE(of_w.contains(w_));
  EXPECT_TRUE(differentiate(only_w, {&seed, 1}, {only_w.add_input("far", {{1}})}, total).empty());
  // y is read twice by z: its two gradients meet in one sum. x is read by z and twice by y: three terms.
  const auto of_both = differentiate(graph_, {&seed, 1}, {x_, w_}, total);
  EXPECT_EQ(of_both.size(), 2U);
  ASSERT_EQ(graph_.nodes().size(), forward + 2);
  EXPECT_THAT(graph_.nodes()[forward].inputs, testing::SizeIs(2));
  EXPECT_THAT(graph_.nodes()[forward + 1].inputs, testing::SizeIs(3));
  EXPECT_EQ(of_both.at(w_), graph_.nodes()[forward].outputs[0]);
}

TEST(Attributes, MakeTextEqualityAndTheOpItself) {
  AddOp op(0.5F);
  op.window_ = {3, 1};
  op.flag_ = true;
  op.activation_ = Activation::relu;
  EXPECT_EQ(to_string(op.attributes()), "window=3x1 flag weight=0.5 activation=relu");
  const auto again = op_type<AddOp>().make(op.attributes());
  EXPECT_TRUE(same_op(op, *again));
  EXPECT_FALSE(same_op(op, AddOp(0.5F)));
  EXPECT_TRUE(same_op(AddOp(0.5F), *op_type<AddOp>().make(std::vector<Attribute>{{"weight", 0.5F}})));
}

TEST(Attributes, OfAnotherTypeMissingOrSurplusAreRefused) {
  const auto refused = [](std::vector<Attribute> attributes, const char* why) {
    EXPECT_THAT([&] { op_type<AddOp>().make(attributes); }, ThrowsMessage<Error>(HasSubstr(why)));
  };
  refused({}, "test_add: the attribute 'weight' is missing");
  refused({{"weight", std::string("x")}}, "test_add: the attribute 'weight' cannot be x");
  refused({{"weight", 1e300}}, "'weight' cannot be");
  refused({{"weight", 1.0F}, {"window", std::vector<int64_t>{1, 2, 3}}}, "'window' cannot be 1x2x3");
  refused({{"weight", 1.0F}, {"flag", int64_t{1}}}, "'flag' cannot be 1");
  refused({{"weight", 1.0F}, {"activation", std::string("rleu")}}, "'activation' cannot be rleu");
  refused({{"weight", 1.0F}, {"weights", 1.0F}}, "test_add: it has no attribute 'weights'");
  const auto whole = op_type<AddOp>().make(std::vector<Attribute>{{"weight", int64_t{2}}});
  EXPECT_EQ(static_cast<const AddOp&>(*whole).weight_, 2.0F);
}

TEST(Views, HandOutElementsOfTheirTypeAlone) {
  std::array<float, 2> values{1, 2};
  const View view{DType::f32, reinterpret_cast<std::byte*>(values.data())};
  EXPECT_EQ(view.as<const float>()[1], 2.0F);
  EXPECT_THAT([&] { view.as<double>(); }, ThrowsMessage<Error>(HasSubstr("asked for F64 where F32 is stored")));
}

}  // namespace
}  // namespace convoy
