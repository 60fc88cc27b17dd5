// The files under tests/checkpoints were written by PyTorch, Paddle and safetensors (tools/make_checkpoints.py).
#include "formats/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <map>

#include "convoy/error.h"
#include "core/random.h"
#include "formats/safetensors.h"

namespace convoy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::filesystem::path kFolder = std::filesystem::path(CONVOY_SOURCE_DIR) / "tests/checkpoints";

// The floating-point tensors, without `prefix`.
std::map<std::string, std::vector<float>> weights_of(const Checkpoint& checkpoint, const std::string& prefix = "") {
  std::map<std::string, std::vector<float>> weights;
  for (size_t i = 0; i < checkpoint.tensors().size(); ++i) {
    const Checkpoint::Tensor& tensor = checkpoint.tensors()[i];
    if (!is_floating(tensor.type)) continue;
    EXPECT_TRUE(tensor.name.starts_with(prefix)) << tensor.name;
    weights[tensor.name.substr(prefix.size())] = checkpoint.floats(i);
  }
  return weights;
}

std::map<std::string, std::vector<float>> expected_weights() {
  const SafetensorsReader file(kFolder / "tiny.safetensors");
  std::map<std::string, std::vector<float>> weights;
  for (const StoredTensor& tensor : file.tensors()) weights[tensor.name] = file.floats(tensor.name);
  return weights;
}

std::string error_of(const std::filesystem::path& path, const std::string& key = "") {
  try {
    const Checkpoint checkpoint(path, key);
    for (size_t i = 0; i < checkpoint.tensors().size(); ++i) checkpoint.floats(i);
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_THAT(message, testing::StartsWith(path.string() + ": "));
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message;
  }
  return "";
}

TEST(Checkpoint, ReadsWhatTorchWrites) {
  for (const char* name : {"tiny.pth", "tiny_legacy.pth"}) {
    const Checkpoint checkpoint(kFolder / name);
    EXPECT_EQ(checkpoint.format(), Checkpoint::Format::pytorch);
    EXPECT_EQ(checkpoint.key(), "");
    EXPECT_EQ(weights_of(checkpoint), expected_weights()) << name;
    EXPECT_EQ(checkpoint.tensors()[0].name, "conv1.weight");
    EXPECT_THAT(checkpoint.tensors()[0].shape, ElementsAre(4, 3, 3, 3));
    const Checkpoint::Tensor& last = checkpoint.tensors().back();
    EXPECT_EQ(last.name, "bn1.num_batches_tracked");
    EXPECT_EQ(last.type, StoredType::i64);
    EXPECT_THAT(checkpoint.floats(checkpoint.tensors().size() - 1), ElementsAre(12));
  }
}

TEST(Checkpoint, ReadsSafetensors) {
  const Checkpoint checkpoint(kFolder / "tiny.safetensors");
  EXPECT_EQ(checkpoint.format(), Checkpoint::Format::safetensors);
  EXPECT_EQ(weights_of(checkpoint), expected_weights());
  EXPECT_THAT(error_of(kFolder / "tiny.safetensors", "ema"), HasSubstr("has no dictionaries"));
}

std::string content_of(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void write(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

// A header may be padded with spaces to any length, and that begin as a pickle does: 80 04.
TEST(Checkpoint, ASafetensorsFileMayBeginAsAPickleDoes) {
  const std::string whole = content_of(kFolder / "tiny.safetensors");
  uint64_t header = 0;
  std::memcpy(&header, whole.data(), sizeof(header));
  const std::filesystem::path path = testing::TempDir() + "pickle_like.safetensors";
  for (const uint64_t length : {0x380U, 0x480U, 0x580U}) {
    ASSERT_GE(length, header);
    std::string padded(sizeof(length), '\0');
    std::memcpy(padded.data(), &length, sizeof(length));
    padded += whole.substr(sizeof(header), header) + std::string(length - header, ' ');
    write(path, padded + whole.substr(sizeof(header) + header));
    const Checkpoint checkpoint(path);
    EXPECT_EQ(checkpoint.format(), Checkpoint::Format::safetensors);
    EXPECT_EQ(weights_of(checkpoint), expected_weights());
  }
  std::filesystem::remove(path);
}

// Paddle writes linear weights as {in, out}, and norms' statistics under names of its own.
TEST(Checkpoint, ReadsWhatPaddleWrites) {
  for (const char* name : {"tiny.pdparams", "tiny_protocol2.pdparams", "nested.pdparams"}) {
    const Checkpoint checkpoint(kFolder / name);
    EXPECT_EQ(checkpoint.format(), Checkpoint::Format::paddle);
    EXPECT_EQ(checkpoint.key(), name == std::string("nested.pdparams") ? "model" : "");
    auto weights = weights_of(checkpoint);
    const auto expected = expected_weights();
    EXPECT_EQ(weights.size(), expected.size());
    EXPECT_EQ(weights.at("conv1.weight"), expected.at("conv1.weight")) << name;
    EXPECT_EQ(weights.at("bn1._mean"), expected.at("bn1.running_mean"));
    EXPECT_EQ(weights.at("bn1._variance"), expected.at("bn1.running_var"));
    EXPECT_EQ(weights.at("fc2.weight")[5], expected.at("fc2.weight")[1]);
  }
  const Checkpoint optimizer(kFolder / "tiny.pdopt");
  EXPECT_EQ(optimizer.tensors().size(), 9);
  EXPECT_THAT(optimizer.tensors()[0].name, HasSubstr("velocity"));
}

TEST(Checkpoint, FindsTheWeightsInWhatTrainingScriptsSave) {
  const Checkpoint nested(kFolder / "nested.pth");
  EXPECT_EQ(nested.key(), "state_dict");
  EXPECT_EQ(weights_of(nested, "module."), expected_weights());

  const Checkpoint averaged(kFolder / "ema.pth");
  EXPECT_EQ(averaged.key(), "model_ema");
  EXPECT_THAT(averaged.other_keys(), ElementsAre("model"));
  EXPECT_EQ(weights_of(averaged), expected_weights());
  const Checkpoint raw(kFolder / "ema.pth", "model");
  EXPECT_EQ(raw.key(), "model");
  EXPECT_EQ(raw.floats(0), std::vector<float>(4 * 3 * 3 * 3, 0));

  EXPECT_THAT(error_of(kFolder / "ambiguous.pth"), HasSubstr("\"teacher\", \"student\""));
  EXPECT_EQ(weights_of(Checkpoint(kFolder / "ambiguous.pth", "student")), expected_weights());
  EXPECT_THAT(error_of(kFolder / "ambiguous.pth", "studnet"), HasSubstr("did you mean 'student'?"));
}

TEST(Checkpoint, ConvertsTypesAndFollowsStrides) {
  const Checkpoint checkpoint(kFolder / "views.pth");
  const auto expected = expected_weights();
  for (const auto& [name, values] : weights_of(checkpoint)) {
    const float precision = name == "conv1.weight" ? 0x1p-11F : name == "conv2.weight" ? 0x1p-8F : 0;
    ASSERT_EQ(values.size(), expected.at(name).size());
    for (size_t i = 0; i < values.size(); ++i) {
      const float correct = expected.at(name)[i];
      EXPECT_NEAR(values[i], correct, std::abs(correct) * precision) << name << " " << i;
    }
  }
}

TEST(Checkpoint, NamesWhatItRefuses) {
  EXPECT_THAT(error_of(kFolder / "whole_model.pth"), HasSubstr("\"torch.nn.modules.container.Sequential\""));
  EXPECT_THAT(error_of(kFolder / "whole_model.pth"), HasSubstr("state_dict()"));
  EXPECT_THAT(error_of(kFolder / "absent.pth"), HasSubstr("there is no such file"));
  EXPECT_THAT(error_of(kFolder), HasSubstr("is not a file"));
  EXPECT_THAT(error_of(CONVOY_SOURCE_DIR "/LICENSE"), HasSubstr("is no checkpoint"));
}

class DamagedCheckpoint : public testing::TestWithParam<const char*> {};

TEST_P(DamagedCheckpoint, IsAnErrorAtWorst) {
  const std::string whole = content_of(kFolder / GetParam());
  const std::filesystem::path path = testing::TempDir() + "damaged_checkpoint";
  for (size_t size = 0; size < whole.size(); size += 61) {
    write(path, whole.substr(0, size));
    error_of(path);
  }
  RandomStream random(1, "damage");
  for (int trial = 0; trial < 300; ++trial) {
    std::string damaged = whole;
    for (uint32_t edits = 1 + random.below(3); edits > 0; --edits) {
      damaged[random.below(static_cast<uint32_t>(whole.size()))] = static_cast<char>(random.below(256));
    }
    write(path, damaged);
    error_of(path);
  }
  std::filesystem::remove(path);
}

INSTANTIATE_TEST_SUITE_P(Files, DamagedCheckpoint,
                         testing::Values("tiny.pth", "tiny_legacy.pth", "views.pth", "tiny.pdparams",
                                         "tiny_protocol2.pdparams", "nested.pdparams"));

}  // namespace
}  // namespace convoy
