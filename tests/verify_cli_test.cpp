// `convoy verify` of two networks, as a user meets it; of golden files: network_cli_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "convoy/export.h"
#include "convoy/fuse.h"
#include "convoy/session.h"
#include "tests/support/drawn_model.h"
#include "tests/support/process.h"

namespace convoy {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class VerifyCommand : public testing::Test {
 protected:
  VerifyCommand() {
    std::filesystem::create_directories(run_);
    write_drawn_resnet9(model_, {"a", "b", "c"});
    fuse_model(model_, {.tolerance = 1e-3, .measure = false}, fused_);
    export_onnx(model_, {}, onnx_);
    TrainedNetwork network(model_);
    std::vector<float> weight = network.weight("res1.1.conv.weight");
    weight[7] += 0.1F;
    network.set_weight("res1.1.conv.weight", weight);
    network.save(changed_);
  }

  TemporaryFolder folder_;
  std::string run_ = folder_ / "run", model_ = folder_ / "run/best.safetensors";
  std::string fused_ = folder_ / "fused.safetensors", onnx_ = folder_ / "net.onnx";
  std::string changed_ = folder_ / "changed.safetensors";
  const std::string golden_ = CONVOY_SOURCE_DIR "/tests/golden/resnet9.safetensors";
};

TEST_F(VerifyCommand, PassesTheSameNetworkInAnyForm) {
  for (const std::string& other : {fused_, onnx_, model_}) {
    const Finished finished = run_convoy({"verify", run_, other, "--limit", "3"});
    EXPECT_EQ(finished.code, 0) << finished.err;
    EXPECT_THAT(finished.out,
                AllOf(HasSubstr("9 layers of " + run_ + " and " + other + " correspond, 9 by name and 0 by order"),
                      HasSubstr("compared on 3 images of random pixels"), HasSubstr("the same class for 3 (100.00 %)"),
                      HasSubstr("\nthe same, within"), Not(HasSubstr("DEPARTS"))));
    EXPECT_EQ(finished.err, "");
  }
}

TEST_F(VerifyCommand, NamesTheFirstLayerThatDeparts) {
  Finished finished = run_convoy({"verify", fused_, changed_, "--limit", "3"});
  EXPECT_EQ(finished.code, 1);
  EXPECT_EQ(finished.err, "");
  EXPECT_THAT(finished.out, AllOf(HasSubstr("NOT THE SAME: res1.1.conv departs first, by "), HasSubstr("\nlogits "),
                                  Not(HasSubstr("\ndown1.conv "))));
  finished = run_convoy({"verify", fused_, changed_, "--limit", "3", "--layers"});
  EXPECT_THAT(finished.out, HasSubstr("\ndown1.conv "));
  finished = run_convoy({"verify", fused_, changed_, "--limit", "3", "--json"});
  EXPECT_EQ(finished.code, 1);
  const json report = json::parse(finished.out);
  EXPECT_EQ(report.at("passed"), false);
  EXPECT_EQ(report.at("first_departure"), "res1.1.conv");
  EXPECT_EQ(report.at("images"), 3);
  EXPECT_TRUE(report.at("evaluated").is_null() && report.at("top1_a").is_null());
  ASSERT_EQ(report.at("layers").size(), 9);
  for (size_t i = 0; i < 9; ++i) {
    const json& layer = report["layers"][i];
    EXPECT_EQ(layer.at("agrees"), i < 3) << layer;
    EXPECT_EQ(layer.at("error") <= layer.at("tolerance"), i < 3) << layer;
  }
}

TEST_F(VerifyCommand, ComparesOnRealImages) {
  const std::string images = CONVOY_SOURCE_DIR "/tests/data/images";
  for (const char* name : {"a", "c"}) {
    std::filesystem::create_directories(folder_ / "data/" + name);
    std::filesystem::copy(images + "/source.png", folder_ / "data/" + name + "/1.png");
  }
  const Finished text = run_convoy({"verify", model_, fused_, "--data", folder_ / "data"});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("compared on 2 of all 2 images of "), HasSubstr("right for ")));
  const json report = json::parse(run_convoy({"verify", model_, fused_, "--data", folder_ / "data", "--json"}).out);
  EXPECT_EQ(report.at("images"), 2);
  EXPECT_EQ(report.at("top1_a"), report.at("top1_b"));
  EXPECT_THAT(report.at("evaluated"), HasSubstr("2 images"));
}

TEST_F(VerifyCommand, RefusesWhatItCannotCompare) {
  const std::string kinds = "expected two networks, or golden files alone, got ";
  for (const auto& [arguments, expected] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{model_}, model_ + ": expected a golden file, or a second network"},
           {{model_, fused_, onnx_}, kinds + "3 files, 0 of them golden"},
           {{model_, golden_}, kinds + "2 files, 1 of them golden"},
           {{golden_, onnx_, golden_}, kinds + "3 files, 2 of them golden"},
           {{model_, fused_, "--backend", "reference"}, "--backend: is of golden files; leave it out"},
           {{golden_, "--data", "x"}, "--data: is of networks; leave it out"},
           {{golden_, "--limit", "3"}, "--limit: is of networks; leave it out"},
           {{golden_, "--layers"}, "--layers: is of networks; leave it out"},
           {{model_, fused_, "--limit", "0"}, "--limit"}}) {
    std::vector<std::string> words = {"verify"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    const Finished finished = run_convoy(words);
    EXPECT_EQ(finished.code, 2) << expected;
    EXPECT_THAT(finished.err, HasSubstr(expected));
    EXPECT_EQ(std::ranges::count(finished.err, '\n'), 1) << finished.err;
    EXPECT_EQ(finished.out, "");
  }
  const Finished absent = run_convoy({"verify", model_, folder_ / "absent"});
  EXPECT_EQ(absent.code, 1);
  EXPECT_THAT(absent.err, HasSubstr("absent"));
}

}  // namespace
}  // namespace convoy
