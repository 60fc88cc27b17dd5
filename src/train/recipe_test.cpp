#include "convoy/recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>

#include "convoy/error.h"
#include "train/recipe_environment.h"

namespace convoy {
namespace {

using testing::HasSubstr;

// What the call complains of; empty when it does not.
template <class Problem = UsageError, class Call>
std::string complaint(const Call& call) {
  try {
    call();
  } catch (const Problem& error) {
    return error.what();
  }
  return "";
}

std::string complaint_of_text(std::string_view toml) {
  return complaint([&] {
    Recipe recipe;
    read_recipe_text(recipe, toml, "r.toml");
  });
}

// A value of the field's type that is not its default.
std::string other_value(const RecipeField& field, const std::string& now) {
  for (const std::string& choice : field.choices()) {
    if (choice != now) return choice;
  }
  switch (field.type) {
    case RecipeField::Type::boolean: return now == "true" ? "false" : "true";
    case RecipeField::Type::integer: return now == "3" ? "4" : "3";
    case RecipeField::Type::number: return "0.12345678901234567";
    case RecipeField::Type::text:
      if (field.name == "memory") return "1.5G";
      return "a \"quoted\" \\ name\n# and ünïcode";
    case RecipeField::Type::list:
      for (const char* text : {"7,8", "0.25,0.5", "0.1,0.25,0.5"}) {
        Recipe recipe;
        if (field.set(recipe, text)) return text;
      }
  }
  return "";
}

TEST(Recipe, EveryFieldSurvivesAFile) {
  Recipe recipe;
  std::set<std::string_view> names;
  for (const RecipeField& field : recipe_fields()) {
    EXPECT_TRUE(names.insert(field.name).second) << field.name << " is there twice";
    EXPECT_FALSE(field.help.empty()) << field.name;
    const std::string now = field.get(recipe).value_or("auto");
    EXPECT_TRUE(field.set(recipe, now)) << field.name << " does not take its default " << now;
    const std::string other = other_value(field, now);
    EXPECT_TRUE(field.set(recipe, other)) << field.name << " does not take " << other;
    Recipe again;
    read_recipe_text(again, to_toml(recipe), "text");
    EXPECT_TRUE(again == recipe) << field.name << " is lost in\n" << to_toml(recipe);
  }
  EXPECT_FALSE(recipe == Recipe{});
}

TEST(Recipe, AutoUnsets) {
  Recipe recipe;
  set_field(recipe, find_recipe_field("lr"), "0.5", "--lr");
  EXPECT_EQ(recipe.lr, 0.5);
  set_field(recipe, find_recipe_field("lr"), "auto", "--lr");
  EXPECT_FALSE(recipe.lr.has_value());
}

TEST(Recipe, MistakesNameKeyExpectationAndValue) {
  EXPECT_EQ(complaint_of_text("epochs = 3\nbatch_size = 8\n"),
            "r.toml:2: unknown key 'batch_size' (did you mean 'batch-size'?)");
  EXPECT_EQ(complaint_of_text("batch-size = '8'"),
            "r.toml:1: batch-size: expected an integer from 1 to 65536, or auto, got '8'");
  EXPECT_EQ(complaint_of_text("batch-size = 0"),
            "r.toml:1: batch-size: expected an integer from 1 to 65536, or auto, got '0'");
  EXPECT_EQ(complaint_of_text("batch-size = 1.5"),
            "r.toml:1: batch-size: expected an integer from 1 to 65536, or auto, got 1.5");
  EXPECT_EQ(complaint_of_text("lr = nan"), "r.toml:1: lr: expected a number from 0 to 1000, or auto, got 'nan'");
  EXPECT_EQ(complaint_of_text("nesterov = 1"), "r.toml:1: nesterov: expected true or false, got 1");
  EXPECT_EQ(complaint_of_text("remode = 'pixels'"),
            "r.toml:1: remode: expected one of const, rand, pixel, got 'pixels'");
  // Programs may add to these.
  EXPECT_THAT(complaint_of_text("sched = 'cosin'"),
              testing::MatchesRegex("r.toml:1: sched: expected one of cosine, linear, poly, onecycle, step, multistep, "
                                    "constant.*, got 'cosin'"));
  EXPECT_THAT(complaint_of_text("opt = 'sdg'"),
              testing::MatchesRegex("r.toml:1: opt: expected one of sgd, adam, .*, got 'sdg'"));
  EXPECT_THAT(complaint_of_text("mean = [0.5, 0.5]"), HasSubstr("mean: expected three numbers"));
  EXPECT_THAT(complaint_of_text("decay-milestones = [5, 3]"), HasSubstr("ascending integers"));
  EXPECT_THAT(complaint_of_text("[data]\npath = 'x'"), HasSubstr("data: expected text"));
}

TEST(Recipe, MistakesChangeNothing) {
  Recipe recipe;
  EXPECT_THROW(read_recipe_text(recipe, "epochs = 7\nlr = 'fast'", "r.toml"), UsageError);
  EXPECT_TRUE(recipe == Recipe{});
}

TEST(Recipe, WhatIsNotTomlIsRefused) {
  EXPECT_THAT(complaint<Error>([] {
                Recipe recipe;
                read_recipe_text(recipe, "epochs = 3\nlr = = 3", "r.toml");
              }),
              HasSubstr("r.toml:2: "));
  EXPECT_THAT(complaint<Error>([] {
                Recipe recipe;
                read_recipe(recipe, "no/such/file.toml");
              }),
              HasSubstr("no/such/file.toml"));
  EXPECT_THROW(
      {
        Recipe recipe;
        read_recipe(recipe, testing::TempDir());
      },
      Error);
}

TEST(Recipe, EnvironmentSets) {
  ASSERT_EQ(setenv("CONVOY_BATCH_SIZE", "12", 1), 0);
  Recipe recipe;
  read_recipe_environment(recipe);
  EXPECT_EQ(recipe.batch_size, 12);
  ASSERT_EQ(setenv("CONVOY_BATCH_SIZE", "many", 1), 0);
  EXPECT_EQ(complaint([&] { read_recipe_environment(recipe); }),
            "CONVOY_BATCH_SIZE: expected an integer from 1 to 65536, or auto, got 'many'");
  ASSERT_EQ(setenv("CONVOY_BATCH_SIZE", "", 1), 0);
  read_recipe_environment(recipe);
  EXPECT_EQ(recipe.batch_size, 12);
  unsetenv("CONVOY_BATCH_SIZE");
}

TEST(Recipe, EnvironmentHasNoUnknownNames) {
  for (const char* known : {"CONVOY_BATCH_SIZE", "CONVOY_DATA", "CONVOY_ISA", "CONVOYS_BATCHSIZE"}) {
    ASSERT_EQ(setenv(known, "", 1), 0);
    EXPECT_EQ(complaint(check_environment), "") << known;
    unsetenv(known);
  }
  const auto complaint_about = [](const char* variable) {
    setenv(variable, "1", 1);
    const std::string text = complaint(check_environment);
    unsetenv(variable);
    return text;
  };
  EXPECT_THAT(complaint_about("CONVOY_BATCHSIZE"),
              testing::StartsWith("unknown variable 'CONVOY_BATCHSIZE' (did you mean 'CONVOY_BATCH_SIZE'?); "));
  EXPECT_THAT(complaint_about("CONVOY_batch_size"), HasSubstr("(did you mean 'CONVOY_BATCH_SIZE'?)"));
  EXPECT_THAT(complaint_about("CONVOY_ISAA"), HasSubstr("(did you mean 'CONVOY_ISA'?)"));
  EXPECT_THAT(complaint_about("CONVOY_HOMEPAGE"), testing::StartsWith("unknown variable 'CONVOY_HOMEPAGE'; "));
}

TEST(Recipe, CheckFindsWhatAProgramSetWrong) {
  Recipe recipe;
  recipe.data = "photos";
  recipe.model = "resnet18";
  check(recipe);
  const auto complains = [&](auto change) {
    Recipe wrong = recipe;
    change(wrong);
    return complaint([&] { check(wrong); });
  };
  EXPECT_THAT(complains([](Recipe& r) { r.data.clear(); }), HasSubstr("data: "));
  EXPECT_THAT(complains([](Recipe& r) { r.model.clear(); }), HasSubstr("model: "));
  EXPECT_THAT(complains([](Recipe& r) { r.epochs = 0; }), HasSubstr("epochs: expected an integer from 1"));
  EXPECT_THAT(complains([](Recipe& r) { r.std[1] = 0; }), HasSubstr("std: "));
  EXPECT_THAT(complains([](Recipe& r) { r.opt = "sdg"; }), HasSubstr("opt: expected one of sgd, "));
  EXPECT_THAT(complains([](Recipe& r) { r.sched = "own steps"; }), HasSubstr("sched: expected one of cosine, "));
  EXPECT_THAT(complains([](Recipe& r) { r.scale = {0.9, 0.1}; }), HasSubstr("scale: expected the smaller number"));
  EXPECT_THAT(complains([](Recipe& r) { r.experiment = "../x"; }), HasSubstr("experiment: "));
  EXPECT_THAT(complains([](Recipe& r) {
                r.val = "v";
                r.val_split = 0.2;
              }),
              HasSubstr("val-split: "));
  EXPECT_THAT(complains([](Recipe& r) {
                r.sched = "onecycle";
                r.warmup_epochs = 2;
              }),
              HasSubstr("warmup-epochs: expected 0 beside sched onecycle"));
  EXPECT_THAT(complains([](Recipe& r) { r.progressive_stages = 4; }),
              HasSubstr("progressive-stages: 4 stages of what?"));
  EXPECT_THAT(complains([](Recipe& r) {
                r.progressive_stages = 3;
                r.progressive_magnitude = 5;
              }),
              HasSubstr("progressive-magnitude: expected aa to be RandAugment, such as rand-m9, got ''"));
  EXPECT_THAT(complains([](Recipe& r) { r.progressive_drop = 0.1; }),
              HasSubstr("progressive-drop: expected none without progressive-stages, got 0.1"));
  EXPECT_THAT(complains([](Recipe& r) {
                r.progressive_stages = 31;
                r.drop = 0.2;
                r.progressive_drop = 0.1;
              }),
              HasSubstr("progressive-stages: expected at most the 30 epochs, got 31"));
}

TEST(Recipe, CheckFindsAugmentationThatCannotBe) {
  Recipe recipe;
  recipe.data = "photos";
  recipe.model = "resnet18";
  const auto complains = [&](const char* toml) {
    return complaint([&] {
      Recipe wrong = recipe;
      read_recipe_text(wrong, toml, "r.toml");
      check(wrong);
    });
  };
  EXPECT_THAT(complains("aa = 'rnad-m9'"), HasSubstr("aa: unknown policy 'rnad' (did you mean 'rand'?)"));
  EXPECT_THAT(complains("color-jitter = [0.1, 0.1]"), HasSubstr("color-jitter: expected one, three or four numbers"));
  EXPECT_THAT(complains("color-jitter = [0.1, 0.1, 0.1, 0.7]"), HasSubstr("color-jitter: expected at most 0.5"));
  EXPECT_THAT(complains("augment-order = 'crop,hflip'"), HasSubstr("augment-order: expected each of"));
  EXPECT_THAT(
      complains("augment-order = 'erase,crop,hflip,vflip,rotate,aa,color-jitter'\nreprob = 1\nremode = 'pixel'"),
      HasSubstr("remode: expected const"));
  read_recipe_text(recipe, "color-jitter = 0.4", "r.toml");
  EXPECT_EQ(recipe.color_jitter, std::vector<double>{0.4});
  read_recipe_text(recipe, "color-jitter = [0.4, 0.3, 0.2, 0.1]\naa = 'rand-m9-mstd0.5-inc1'", "r.toml");
  EXPECT_EQ(recipe.color_jitter.size(), 4U);
  check(recipe);
}

TEST(Recipe, UnknownFieldSuggests) {
  EXPECT_EQ(complaint([] { find_recipe_field("epoch"); }), "unknown setting 'epoch' (did you mean 'epochs'?)");
}

}  // namespace
}  // namespace convoy
