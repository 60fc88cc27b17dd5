// The texts are those that the programs write, shortened.
#include "inference/source_card.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace convoy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

SourceCard card_of(const char* text) { return source_card(nlohmann::json::parse(text)); }

// microsoft/resnet-50: its images' shorter side becomes 256 = 224 / 0.875.
TEST(SourceCard, ReadsTransformers) {
  const SourceCard card = card_of(R"({
    "config": {"architectures": ["ResNetForImageClassification"], "model_type": "resnet", "depths": [3, 4, 6, 3],
               "layer_type": "bottleneck", "id2label": {"0": "tench", "1": "goldfish", "10": "brambling", "2": "shark",
               "3": "c", "4": "d", "5": "e", "6": "f", "7": "g", "8": "h", "9": "i"}},
    "preprocessor_config": {"crop_pct": 0.875, "do_normalize": true, "image_mean": [0.485, 0.456, 0.406],
               "image_std": [0.229, 0.224, 0.225], "resample": 3, "size": 224}})");
  EXPECT_EQ(card.model, "resnet50");
  ASSERT_EQ(card.class_names.size(), 11);
  EXPECT_EQ(card.class_names[2], "shark");
  EXPECT_EQ(card.class_names[10], "brambling");
  EXPECT_EQ(card.image_size, 224);
  EXPECT_EQ(card.crop_pct, 0.875);
  EXPECT_EQ(card.interpolation, Interpolation::bicubic);
  EXPECT_EQ(card.mean, (std::array{0.485F, 0.456F, 0.406F}));
  EXPECT_EQ(card.resize_mode, std::nullopt);
}

TEST(SourceCard, ReadsEveryKindOfImageProcessor) {
  SourceCard card =
      card_of(R"({"preprocessor_config": {"do_center_crop": true, "crop_size": {"height": 224, "width": 224},
      "size": {"shortest_edge": 256}, "resample": 2, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}})");
  EXPECT_EQ(card.image_size, 224);
  EXPECT_EQ(card.crop_pct, 0.875);
  EXPECT_EQ(card.interpolation, Interpolation::bilinear);
  card = card_of(R"({"preprocessor_config": {"size": {"height": 192, "width": 192}, "do_normalize": false}})");
  EXPECT_EQ(card.image_size, 192);
  EXPECT_EQ(card.resize_mode, ResizeMode::squash);
  EXPECT_EQ(card.mean, (std::array{0.0F, 0.0F, 0.0F}));
  EXPECT_EQ(card.std, (std::array{1.0F, 1.0F, 1.0F}));
  card = card_of(R"({"preprocessor_config": {"crop_pct": 0.875, "size": {"shortest_edge": 384}}})");
  EXPECT_EQ(card.resize_mode, ResizeMode::squash);
}

TEST(SourceCard, ReadsTimm) {
  SourceCard card = card_of(R"({"config": {"architecture": "resnet18", "num_classes": 2, "label_names": ["cat", "dog"],
      "pretrained_cfg": {"tag": "a1_in1k", "input_size": [3, 288, 288], "interpolation": "bicubic", "crop_pct": 0.95,
      "crop_mode": "center", "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.1]}}})");
  EXPECT_EQ(card.model, "resnet18");
  EXPECT_THAT(card.class_names, ElementsAre("cat", "dog"));
  EXPECT_EQ(card.image_size, 288);
  EXPECT_EQ(card.crop_pct, 0.95);
  EXPECT_EQ(card.std, (std::array{0.2F, 0.2F, 0.1F}));
  // What its train.py saves; settings that were not given are null.
  card = card_of(R"({"checkpoint": {"arch": "mobilenetv2_100.ra_in1k", "epoch": 3, "args": {"img_size": null,
      "input_size": null, "crop_pct": 0.9, "interpolation": "bilinear", "mean": null}}})");
  EXPECT_EQ(card.model, "mobilenetv2_100");
  EXPECT_EQ(card.image_size, std::nullopt);
  EXPECT_EQ(card.crop_pct, 0.9);
  EXPECT_EQ(card.mean, std::nullopt);
  EXPECT_TRUE(card.has_preprocessing());
}

TEST(SourceCard, ReadsTrainingPrograms) {
  SourceCard card = card_of(R"({"checkpoint": {"args": {"model": "resnet34", "val_resize_size": 232,
      "val_crop_size": 224, "interpolation": "bilinear"}}})");
  EXPECT_EQ(card.model, "resnet34");
  EXPECT_EQ(card.image_size, 224);
  EXPECT_EQ(card.crop_pct, 224.0 / 232);
  card = card_of(R"({"checkpoint": {"hyper_parameters": {"backbone": "resnet50", "class_to_idx": {"b": 1, "a": 0},
      "img_size": 160}}})");
  EXPECT_EQ(card.model, "resnet50");
  EXPECT_THAT(card.class_names, ElementsAre("a", "b"));
  EXPECT_EQ(card.image_size, 160);
  card = card_of(R"({"checkpoint": {"model": {"names": {"0": "ant", "1": "bee"}}, "train_args": {"imgsz": 64}}})");
  EXPECT_THAT(card.class_names, ElementsAre("ant", "bee"));
  EXPECT_EQ(card.image_size, 64);
}

TEST(SourceCard, PassesOverWhatIsOfAnotherForm) {
  for (const char* text :
       {"{}", "[]", R"({"config": 3})", R"({"config": {"id2label": {"0": "a", "2": "b"}}})",
        R"({"config": {"id2label": {"0": 1, "x": 2}}})", R"({"checkpoint": {"classes": ["a", 1]}})",
        R"({"checkpoint": {"arch": 3, "args": {"crop_pct": 7, "mean": [1, 2], "img_size": -1, "interpolation": "x"}}})",
        R"({"preprocessor_config": {"size": {"height": 1, "width": 2}, "crop_size": 1.5, "resample": 99}})"}) {
    const SourceCard card = card_of(text);
    EXPECT_EQ(card.model, "") << text;
    EXPECT_THAT(card.class_names, IsEmpty()) << text;
    EXPECT_FALSE(card.has_preprocessing()) << text;
  }
}

}  // namespace
}  // namespace convoy
