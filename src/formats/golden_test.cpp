#include "formats/golden.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <map>

#include "convoy/error.h"
#include "formats/strict_json.h"

namespace convoy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::filesystem::path committed(std::string_view model) {
  return std::filesystem::path(CONVOY_SOURCE_DIR) / "tests" / "golden" / (std::string(model) + ".safetensors");
}

TEST(Golden, Compact) {
  const Golden golden(committed("conv2former_n"));
  EXPECT_TRUE(golden.compact());
  EXPECT_EQ(golden.model(), "conv2former_n");
  EXPECT_EQ(golden.classes(), 10);
  EXPECT_EQ(golden.batch(), 2);
  EXPECT_EQ(golden.size(), 32);
  EXPECT_EQ(golden.step().learning_rate, 0.01);
  EXPECT_EQ(golden.step().momentum, 0.9);
  EXPECT_EQ(golden.step().weight_decay, 1e-4);
  EXPECT_EQ(golden.step().label_smoothing, 0.1);
  EXPECT_LT(golden.float32_error().grad, 1e-5);
  ASSERT_FALSE(golden.parameters().empty());
  EXPECT_EQ(golden.parameters().front(), "stem.weight");
  EXPECT_TRUE(golden.buffers().empty());
  EXPECT_EQ(golden.logits().size(), 20U);
  EXPECT_GT(golden.loss(), 0.0);
  EXPECT_EQ(golden.images().size(), 2U * 3 * 32 * 32);
  EXPECT_EQ(golden.labels().size(), 2U);
  // One SGD step from rest: w - lr * (grad + decay * w), element by element, so also in the sum.
  const std::vector<float> start = golden.parameter("stem.weight", std::array<int64_t, 4>{64, 3, 1, 1});
  const Digest grad = golden.expected_digest(Golden::Kind::grad, 0);
  const Digest after = golden.expected_digest(Golden::Kind::after_parameter, 0);
  EXPECT_NEAR(after.sum, digest(start).sum * (1 - 1e-6) - 0.01 * grad.sum, 1e-9);
  EXPECT_NEAR(after.samples[3], start[72] * (1 - 1e-6) - 0.01 * grad.samples[3], 1e-9);
}

// A whole golden file of one parameter and one buffer, for tests to damage.
class WholeGolden : public testing::Test {
 protected:
  WholeGolden() {
    for (const std::string prefix : {"param/", "grad/", "after/param/"}) tensors_[prefix + "fc.weight"] = {{2, 3}, 6};
    for (const std::string prefix : {"buffer/", "after/buffer/"}) tensors_[prefix + "bn.running_mean"] = {{3}, 3};
    tensors_["input"] = {{1, 3, 2, 2}, 12};
    tensors_["logits"] = tensors_["after/logits"] = {{1, 2}, 2};
    tensors_["loss"] = {{}, 1};
  }
  ~WholeGolden() override { std::filesystem::remove(path_); }

  std::filesystem::path write() const {
    const std::array<float, 12> values{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    std::vector<TensorToStore> tensors{
        {"labels", DType::i64, {1}, std::as_bytes(std::span(&label_, 1))},
        {"buffer/bn.num_batches_tracked", DType::i64, {}, std::as_bytes(std::span(&label_, 1))}};
    for (const auto& [name, tensor] : tensors_) {
      tensors.push_back({name, DType::f32, tensor.first, std::as_bytes(std::span(values).first(tensor.second))});
    }
    write_safetensors(path_, tensors, {{"golden", settings_.dump()}});
    return path_;
  }
  std::string error() const {
    try {
      Golden(write()).labels();
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }

  std::filesystem::path path_ =
      std::filesystem::path(testing::TempDir()) /
      (std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) + ".golden");
  std::map<std::string, std::pair<std::vector<int64_t>, size_t>> tensors_;
  int64_t label_ = 1;
  nlohmann::json settings_ = nlohmann::json::parse(R"({
    "model": "m", "classes": 2, "batch": 1, "size": 2, "seed": 0, "parameters": ["fc.weight"],
    "loss": {"name": "cross_entropy", "label_smoothing": 0.0, "reduction": "mean"},
    "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9, "weight_decay": 0.0001, "nesterov": false, "dampening": 0},
    "float32_error": {"logits": 1e-7, "grad": 2e-7}, "versions": {"torch": "2"}})");
};

TEST_F(WholeGolden, HoldsEverything) {
  const Golden golden(write());
  EXPECT_FALSE(golden.compact());
  EXPECT_THAT(golden.buffers(), ElementsAre("bn.running_mean"));
  EXPECT_THAT(golden.parameter("fc.weight", std::array<int64_t, 2>{2, 3}), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(golden.expected(Golden::Kind::after_buffer, 0), ElementsAre(0, 1, 2));
  EXPECT_EQ(golden.expected_digest(Golden::Kind::grad, 0).sum, 15);
  EXPECT_THAT(golden.labels(), ElementsAre(1));
  EXPECT_EQ(golden.float32_error().grad, 2e-7);
  EXPECT_THROW(golden.parameter("fc.weight", std::array<int64_t, 2>{3, 2}), Error);
}

TEST_F(WholeGolden, WhatIsWrongIsNamed) {
  const nlohmann::json good = settings_;
  const auto with = [&](const char* key, const nlohmann::json& value) {
    settings_ = good;
    settings_[key] = value;
    return error();
  };
  EXPECT_THAT(with("batch", -1), HasSubstr("\"batch\" is \"-1\", expected an integer from 1 to 256"));
  EXPECT_THAT(with("classes", 1e300), HasSubstr("\"classes\""));
  EXPECT_THAT(with("size", 3), HasSubstr("\"input\" has shape [1, 3, 2, 2], expected [1, 3, 3, 3]"));
  EXPECT_THAT(with("parameters", {"fc.weight", "fc.weight"}), HasSubstr("\"parameters\""));
  EXPECT_THAT(with("parameters", {"absent"}), HasSubstr("\"param/absent\""));
  EXPECT_THAT(with("optimizer", 3), HasSubstr("\"optimizer\""));
  EXPECT_THAT(with("loss", {{"name", "mse"}}), HasSubstr("expected \"cross_entropy\""));
  EXPECT_THAT(with("model", nullptr), HasSubstr("\"model\""));
  settings_ = good;
  settings_["optimizer"]["momentum"] = -0.5;
  EXPECT_THAT(error(), HasSubstr("\"momentum\" is -0.5, expected"));
  settings_ = good;
  settings_.erase("seed");
  EXPECT_THAT(error(), HasSubstr("\"seed\" is missing"));
  settings_ = good;
  label_ = 2;
  EXPECT_THAT(error(), HasSubstr("\"labels\" holds 2"));
  label_ = 1;
  tensors_["grad/fc.weight"] = {{3, 2}, 6};
  EXPECT_THAT(error(), HasSubstr("\"grad/fc.weight\" has shape [3, 2], expected [2, 3]"));
  for (const std::string prefix : {"param/", "grad/", "after/param/"}) tensors_[prefix + "fc.weight"] = {{0, 3}, 0};
  EXPECT_THAT(error(), HasSubstr("\"param/fc.weight\" has no elements"));
  tensors_.erase("after/logits");
  EXPECT_THAT(error(), HasSubstr("no tensor \"after/logits\""));
  write_safetensors(path_, {}, {});
  EXPECT_THROW(Golden{path_}, Error);
}

}  // namespace
}  // namespace convoy
