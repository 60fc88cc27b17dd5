// `convoy import` as a user meets it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/process.h"

namespace convoy {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const std::string kSource = CONVOY_SOURCE_DIR;
const std::string kCheckpoint = kSource + "/tests/checkpoints/tiny.pth";

TEST(ImportCommand, ListsWhatIsInAFile) {
  const Finished text = run_convoy({"import", kSource + "/tests/checkpoints/tiny.pdopt", "--list"});
  EXPECT_EQ(text.code, 0);
  EXPECT_THAT(text.out, HasSubstr("\"conv2d_0.w_0_velocity_0\"  F32  4x3x3x3\n"));
  const Finished json = run_convoy({"import", kSource + "/tests/checkpoints/ema.pth", "--list", "--json"});
  const auto list = nlohmann::json::parse(json.out);
  EXPECT_EQ(list.at("key"), "model_ema");
  EXPECT_EQ(list.at("tensors").size(), 12);
  EXPECT_EQ(list.at("tensors")[0].at("shape"), (std::vector<int>{4, 3, 3, 3}));
}

TEST(ImportCommand, SaysWhatDoesNotFit) {
  const TemporaryFolder folder;
  const std::string output = folder / "model.safetensors";
  Finished finished = run_convoy({"import", kCheckpoint, "--model", "resnet9", "-o", output, "--by-order"});
  EXPECT_EQ(finished.code, 2);
  EXPECT_THAT(finished.err,
              StartsWith("convoy import: " + kCheckpoint + ": none of its tensors is one of the network's"));
  EXPECT_THAT(finished.out, HasSubstr("no match by order and shape: the network has"));
  finished = run_convoy({"import", kCheckpoint, "--model", "resnet9", "-o", output});
  EXPECT_THAT(finished.err, HasSubstr("--by-order matches by order and shape"));
  finished = run_convoy({"import", kCheckpoint, "--model", "resnet9", "-o", output, "--json"});
  EXPECT_EQ(finished.code, 2);
  EXPECT_TRUE(nlohmann::json::parse(finished.out).contains("error"));
  EXPECT_FALSE(std::filesystem::exists(output));
}

TEST(ImportCommand, RefusesWrongUse) {
  for (const auto& [arguments, expected] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"import", kCheckpoint, "-o", "x"}, "model: expected the network that the weights of"},
           {{"import", kCheckpoint, "--model", "resnet9", "-o", "x", "--rename", "=b"}, "--rename: expected OLD=NEW"},
           {{"import", kCheckpoint, "--model", "resnet9", "-o", "x", "--source-layout", "x"}, "--source-layout"},
           {{"import", kCheckpoint, "--model", "resnet9"}, "--output: expected"},
           {{"import", kCheckpoint, "--model", "resnte9", "-o", "x"}, "did you mean 'resnet9'?"},
           {{"import", kCheckpoint, "--model", "resnet9", "-o", "x", "--num-classes", "0"}, "--num-classes"},
       }) {
    const Finished finished = run_convoy(arguments);
    EXPECT_EQ(finished.code, 2) << expected;
    EXPECT_THAT(finished.err, HasSubstr(expected));
    EXPECT_EQ(std::ranges::count(finished.err, '\n'), 1) << finished.err;
  }
}

TEST(ImportCommand, ReadsOnnxModels) {
  const TemporaryFolder folder;
  const std::string model = kSource + "/tests/fuzz/seeds/onnx/cnn.onnx", output = folder / "cnn.safetensors";
  Finished finished = run_convoy({"import", model, "-o", output, "--show-mapping"});
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_THAT(finished.out, HasSubstr("ONNX, without the softmax at its end"));
  EXPECT_THAT(finished.out, HasSubstr("  w <- \"w\"\n"));
  EXPECT_THAT(finished.out, HasSubstr("wrote " + output + ": cnn.onnx, 4 classes\n"));
  finished = run_convoy({"predict", kSource + "/tests/data/images/bilevel.png", "--checkpoint", output, "--json"});
  EXPECT_EQ(finished.code, 0) << finished.err;
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"bench", model}, {"export", model, "-o", folder / "again.onnx"}}) {
    finished = run_convoy(words);
    EXPECT_EQ(finished.code, 2);
    EXPECT_THAT(finished.err, HasSubstr("expected a model file, got an ONNX model; `convoy import "));
  }
  // A run folder may have such a name.
  std::filesystem::create_directory(folder / "run.onnx");
  std::filesystem::copy_file(output, folder / "run.onnx/best.safetensors");
  EXPECT_EQ(run_convoy({"summary", folder / "run.onnx"}).code, 0);
}

TEST(ImportCommand, ClassNamesAreOneOnALine) {
  const TemporaryFolder folder;
  const std::string names = folder / "names.txt";
  for (const auto& [text, expected] : std::vector<std::pair<std::string, std::string>>{
           {"", names + ": expected the name of a class on each line, got an empty file\n"},
           {"cat\n\ndog\n", names + ":2: expected the name of a class, got an empty line\n"},
           {"cat\r\n \t\r\n", names + ":2: expected the name of a class, got an empty line\n"},
           {"\xEF\xBB\xBF"
            "ant\r\nant\r\n",
            names + ":2: expected the name of a class, got \"ant\" once more\n"},
           {"cat\ndog\ncat\n", names + ":3: expected the name of a class, got \"cat\" once more\n"},
       }) {
    std::ofstream(names) << text;
    const Finished finished =
        run_convoy({"import", kCheckpoint, "--model", "resnet9", "-o", folder / "out", "--class-names", names});
    EXPECT_EQ(finished.code, 1);
    EXPECT_EQ(finished.err, "convoy import: " + expected);
  }
}

}  // namespace
}  // namespace convoy
