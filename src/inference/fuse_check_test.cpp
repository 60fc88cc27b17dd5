#include "inference/fuse_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "convoy/error.h"
#include "core/random.h"
#include "plan/network_graph.h"
#include "plan/reparameterise.h"

namespace convoy {
namespace {

using testing::HasSubstr;

// A network with drawn weights and statistics, and what fusing makes of it.
class Forms {
 public:
  explicit Forms(const std::string& model)
      : card_{.architecture = model,
              .options = {.num_classes = 10},
              .preprocessing = {.image_size = 64},
              .class_names = std::vector<std::string>(10, "class"),
              .metrics = {},
              .training = {}},
        graph_(inference_graph(find_model(model), card_.options, {1, 64, 64, 3})),
        reparameterised_(reparameterise(graph_)) {
    original_.add(graph_, 1);
    for (const auto& [name, variable] : original_.all()) {
      if (!name.ends_with("running_mean") && !name.ends_with("running_var")) continue;
      RandomStream random(1, name);
      std::generate_n(variable.floats(), variable.shape.elements(), [&, mean = name.ends_with("mean")] {
        return random.uniform(mean ? -0.1F : 0.8F, mean ? 0.1F : 1.2F);
      });
    }
    fused_.add(reparameterised_.graph, 0);
    fuse_weights(reparameterised_, original_, fused_);
  }

  FuseReport compare(const FuseOptions& options = {.batch_size = 4}) {
    FuseReport report;
    compare_forms({find_model(card_.architecture), card_, graph_, original_, fused_}, options, report);
    return report;
  }
  // Why the fused network is refused; "" if it is not.
  std::string complaint(const FuseOptions& options = {.batch_size = 4}) {
    try {
      check_tolerance("model", options, compare(options));
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  // The middle weight of the convolution in the middle.
  float& a_weight() {
    const auto& middle = reparameterised_.convolutions[reparameterised_.convolutions.size() / 2];
    const Variables::Variable& variable = fused_.at(middle.weight);
    return variable.floats()[variable.shape.elements() / 2];
  }

 private:
  ModelCard card_;
  Graph graph_;
  Reparameterised reparameterised_;
  Variables original_, fused_;
};

class FuseCheck : public testing::TestWithParam<const char*> {};

TEST_P(FuseCheck, TellsAWrongWeightFromRounding) {
  Forms forms(GetParam());
  const FuseReport report = forms.compare();
  EXPECT_GT(report.rounding, 0);
  EXPECT_LE(report.relative_difference(), report.tolerance);
  EXPECT_LT(report.tolerance, 1e-2);
  EXPECT_EQ(forms.complaint(), "");
  forms.a_weight() += 0.2F;
  EXPECT_THAT(forms.complaint(), HasSubstr("more than the tolerance of"));
}

INSTANTIATE_TEST_SUITE_P(, FuseCheck, testing::Values("resnet9", "resnet101", "resnet152", "acnet_resnet18"),
                         [](const auto& info) { return std::string(info.param); });

TEST(FuseReportTolerance, AnAskedForToleranceIsTaken) {
  Forms forms("resnet9");
  FuseOptions options{.batch_size = 1};
  options.tolerance = 0.5;
  EXPECT_EQ(forms.compare(options).tolerance, 0.5);
  options.tolerance = 0;
  EXPECT_THAT(forms.complaint(options), HasSubstr("more than the tolerance of 0"));
}

TEST(FuseReportTolerance, WhatRoundingMovesFarIsNotJudged) {
  FuseReport report;
  report.largest_logit = 1;
  report.largest_difference = 1e-3;
  report.rounding = 0.1;
  report.tolerance = 0.4;
  EXPECT_THROW(check_tolerance("model", {}, report), Error);
  FuseOptions options;
  options.tolerance = 0.4;
  check_tolerance("model", options, report);
}

}  // namespace
}  // namespace convoy
