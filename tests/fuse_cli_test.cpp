// `convoy fuse` as a user meets it, and its result in the other commands.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/drawn_model.h"
#include "tests/support/process.h"

namespace convoy {
namespace {

using testing::HasSubstr;

class FuseCommand : public testing::Test {
 protected:
  FuseCommand() { write_drawn_resnet9(model_, {"a", "b", "c"}); }

  TemporaryFolder folder_;
  std::string model_ = folder_ / "model.safetensors";
  std::string fused_ = folder_ / "fused.safetensors";
};

TEST_F(FuseCommand, ItsFileIsAModelFileLikeAnyOther) {
  const std::string images = std::string(CONVOY_SOURCE_DIR) + "/tests/data/images/source.png";
  const Finished fuse = run_convoy({"fuse", model_, "-o", fused_, "--images", images, "--no-speed"});
  EXPECT_EQ(fuse.code, 0) << fuse.err;
  EXPECT_THAT(fuse.out, HasSubstr("8 convolutions take in what is linear around them (norm 8)\n"));
  EXPECT_THAT(fuse.out, HasSubstr("on 1 images: "));
  const auto number = [](const Finished& finished, const char* key) {
    return nlohmann::json::parse(finished.out).at("total").at(key).get<int64_t>();
  };
  const Finished before = run_convoy({"summary", model_, "--json"}), after = run_convoy({"summary", fused_, "--json"});
  EXPECT_GT(number(before, "statistics"), 0);
  EXPECT_EQ(number(after, "statistics"), 0);
  EXPECT_EQ(number(before, "multiply_adds"), number(after, "multiply_adds"));
  EXPECT_THAT(run_convoy({"plan", fused_}).out, testing::Not(HasSubstr("batch_norm")));
  const Finished predict = run_convoy({"predict", images, "--checkpoint", fused_, "--json"});
  EXPECT_EQ(predict.code, 0) << predict.err;
}

TEST_F(FuseCommand, SaysWhatItRefuses) {
  Finished finished = run_convoy({"fuse", model_, "-o", fused_, "--no-speed", "--tolerance", "0", "--json"});
  EXPECT_EQ(finished.code, 1);
  EXPECT_THAT(finished.err, HasSubstr("more than the tolerance of 0"));
  EXPECT_TRUE(nlohmann::json::parse(finished.out).contains("error"));
  EXPECT_FALSE(std::filesystem::exists(fused_));
  EXPECT_EQ(run_convoy({"fuse", model_}).code, 2);
  EXPECT_EQ(run_convoy({"fuse", model_, "-o", fused_, "--no-speed"}).code, 0);
  finished = run_convoy({"fuse", fused_, "-o", fused_});
  EXPECT_EQ(finished.code, 1);
  EXPECT_THAT(finished.err, HasSubstr("is fused already"));
  finished = run_convoy({"bench", fused_, "--train"});
  EXPECT_EQ(finished.code, 2);
  EXPECT_THAT(finished.err, HasSubstr("a fused network cannot be trained"));
}

TEST_F(FuseCommand, AModelFileHasWhatShapesItsNetwork) {
  for (const std::vector<std::string>& flag : std::vector<std::vector<std::string>>{
           {"--num-classes", "4"}, {"--width", "0.5"}, {"--act", "relu"}, {"--acnet"}, {"--asymmetry-rate", "1"}}) {
    std::vector<std::string> words = {"summary", model_};
    words.insert(words.end(), flag.begin(), flag.end());
    const Finished finished = run_convoy(words);
    EXPECT_EQ(finished.code, 2) << flag[0];
    EXPECT_EQ(finished.err, "convoy summary: " + flag[0] + ": expected none beside a model file, which has its own\n");
  }
  const Finished larger = run_convoy({"summary", model_, "--img-size", "64", "--batch-size", "2", "--json"});
  EXPECT_EQ(nlohmann::json::parse(larger.out).at("input"), (std::vector<int>{2, 64, 64, 3}));
}

}  // namespace
}  // namespace convoy
