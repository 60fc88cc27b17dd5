// Every recipe that the project ships.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "convoy/model.h"
#include "convoy/recipe.h"
#include "graph/graph.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> recipe_files() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(CONVOY_SOURCE_DIR "/recipes")) files.push_back(entry.path());
  return files;
}

class RecipeFile : public testing::TestWithParam<fs::path> {};

TEST_P(RecipeFile, IsWholeAndFitsItsNetwork) {
  Recipe recipe;
  read_recipe(recipe, GetParam());
  recipe.data = "images";
  EXPECT_NO_THROW(check(recipe));
  const Model& model = find_model(recipe.model);
  ASSERT_TRUE(recipe.img_size.has_value());
  Graph graph(Mode::training);
  const ValueId images = graph.add_input("images", {Shape{2, *recipe.img_size, *recipe.img_size, 3}});
  ModelOptions options = model_options(recipe);
  options.num_classes = 7;
  const Value logits = build_network(model, Builder(graph), {&graph, images}, options);
  EXPECT_EQ(logits.shape(), (Shape{2, 7}));
}

TEST_P(RecipeFile, IsNamedAfterItsNetworkAndSaysWhatItIs) {
  Recipe recipe;
  read_recipe(recipe, GetParam());
  EXPECT_TRUE(GetParam().stem().string().starts_with(recipe.model + "-"));
  std::ifstream stream(GetParam());
  std::string line;
  std::getline(stream, line);
  EXPECT_TRUE(line.starts_with("# ")) << line;
}

// A run that was published must not change with the defaults.
TEST_P(RecipeFile, StatesHowItLearns) {
  std::ifstream stream(GetParam());
  std::set<std::string> keys;
  for (std::string line; std::getline(stream, line);) keys.insert(line.substr(0, line.find(' ')));
  for (const char* key : {"epochs", "batch-size", "opt", "lr", "weight-decay", "sched", "sched-on-updates",
                          "warmup-epochs", "smoothing", "train-crop", "hflip"}) {
    EXPECT_TRUE(keys.contains(key)) << key;
  }
}

INSTANTIATE_TEST_SUITE_P(All, RecipeFile, testing::ValuesIn(recipe_files()), [](const auto& info) {
  std::string name = info.param.stem().string();
  std::ranges::replace_if(
      name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
});

}  // namespace
}  // namespace convoy
