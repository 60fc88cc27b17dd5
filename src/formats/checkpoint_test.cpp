// The files under tests/checkpoints were written by PyTorch, Paddle and safetensors (tools/make_checkpoints.py).
#include "formats/checkpoint.h"

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

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
    EXPECT_EQ(last.type, DType::i64);
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

// With Counter, device, sets, generators, large integers, enums, dates and the like beside the weights.
TEST(Checkpoint, ObjectsBesideTheWeightsAreLeftAlone) {
  const Checkpoint checkpoint(kFolder / "everything.pth");
  EXPECT_EQ(checkpoint.key(), "state_dict");
  EXPECT_EQ(weights_of(checkpoint), expected_weights());
  const nlohmann::json& notes = checkpoint.notes().at("checkpoint");
  EXPECT_EQ(notes.at("arch"), "resnet18");
  EXPECT_EQ(notes.at("args").at("model"), "resnet18");
  EXPECT_EQ(notes.at("args").at("betas"), nlohmann::json({0.9, 0.999}));
  EXPECT_FALSE(notes.contains("large"));
}

TEST(Checkpoint, ReadsNetworksThatWereSavedAsAWhole) {
  for (const char* name : {"network.pth", "network_legacy.pth", "in_training.pth"}) {
    const Checkpoint checkpoint(kFolder / name);
    EXPECT_EQ(checkpoint.format(), Checkpoint::Format::pytorch);
    EXPECT_EQ(checkpoint.key(), name == std::string("in_training.pth") ? "model" : "") << name;
    EXPECT_EQ(weights_of(checkpoint), expected_weights()) << name;
    EXPECT_EQ(checkpoint.tensors()[0].name, "conv1.weight");
    EXPECT_EQ(checkpoint.tensors()[5].name, "bn1.num_batches_tracked");
  }
  EXPECT_EQ(Checkpoint(kFolder / "network.pth").notes().at("checkpoint").at("names"),
            nlohmann::json({{"0", "ant"}, {"1", "bee"}}));
  const Checkpoint sequential(kFolder / "whole_model.pth");
  ASSERT_EQ(sequential.tensors().size(), 2);
  EXPECT_EQ(sequential.tensors()[0].name, "0.weight");
  EXPECT_THAT(sequential.tensors()[0].shape, ElementsAre(2, 2));
  EXPECT_EQ(sequential.tensors()[1].name, "0.bias");
}

TEST(Checkpoint, APickleOfArraysDoesNotTellItsLayout) {
  const Checkpoint checkpoint(kFolder / "arrays.pkl");
  EXPECT_EQ(checkpoint.format(), Checkpoint::Format::arrays);
  EXPECT_EQ(checkpoint.layout(), std::nullopt);
  EXPECT_EQ(weights_of(checkpoint), expected_weights());
  for (const char* name : {"tiny.pdparams", "nested.pdparams", "tiny.pdopt"}) {
    EXPECT_EQ(Checkpoint(kFolder / name).layout(), SourceLayout::paddle) << name;
  }
  EXPECT_EQ(Checkpoint(kFolder / "tiny.pth").layout(), SourceLayout::torch);
}

TEST(Checkpoint, ReadsSeveralFilesByTheirIndex) {
  for (const char* name : {"sharded", "sharded/model.safetensors.index.json"}) {
    const Checkpoint checkpoint(kFolder / name);
    EXPECT_EQ(checkpoint.format(), Checkpoint::Format::safetensors);
    EXPECT_EQ(weights_of(checkpoint), expected_weights());
    EXPECT_EQ(checkpoint.notes().at("config").at("id2label").at("1"), "bee");
  }
}

TEST(Checkpoint, AnIndexStaysInItsFolder) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "sharded_checkpoint";
  std::filesystem::create_directories(folder);
  const std::filesystem::path index = folder / "model.safetensors.index.json";
  std::filesystem::copy_file(kFolder / "tiny.safetensors", folder / "a.safetensors",
                             std::filesystem::copy_options::overwrite_existing);
  for (const auto& [text, expected] : std::vector<std::pair<std::string, std::string>>{
           {R"({"weight_map": {"fc1.bias": "../a.safetensors"}})", "expected the name of a file beside the index"},
           {R"({"weight_map": {"fc1.bias": "/etc/passwd"}})", "expected the name of a file beside the index"},
           {R"({"weight_map": {"fc1.bias": ".."}})", "expected the name of a file beside the index"},
           {R"({"weight_map": {"fc1.bias": 3}})", "expected the name of a file beside the index"},
           {R"({"weight_map": {"fc1.bias": "b.safetensors"}})", "\"b.safetensors\", which is not beside it"},
           {R"({"weight_map": {}})", "without \"weight_map\""},
           {R"({"a": 1})", "without \"weight_map\""},
           {"[", "is not JSON"},
       }) {
    write(index, text);
    EXPECT_THAT(error_of(index), HasSubstr(expected));
  }
  write(index, R"({"weight_map": {"fc3.bias": "a.safetensors"}})");
  try {
    const Checkpoint checkpoint(folder);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("a.safetensors: lacks tensor \"fc3.bias\""));
  }
  write(index, R"({"weight_map": {"fc1.bias": "a.safetensors"}})");
  EXPECT_EQ(Checkpoint(folder).tensors().size(), 1);
  std::filesystem::remove_all(folder);
}

TEST(Checkpoint, RenamesTensors) {
  Checkpoint checkpoint(kFolder / "tiny.safetensors");
  const size_t count = checkpoint.tensors().size();
  checkpoint.rename([](const std::string& name) { return "net." + name; });
  EXPECT_EQ(weights_of(checkpoint, "net."), expected_weights());
  EXPECT_EQ(checkpoint.tensors().size(), count);
  EXPECT_THROW(checkpoint.rename([](const std::string&) { return "same"; }), Error);
}

TEST(Checkpoint, NamesTensorsThatItCannotRead) {
  const Checkpoint checkpoint(kFolder / "quantized.pth");
  ASSERT_EQ(checkpoint.tensors().size(), 1);
  EXPECT_EQ(checkpoint.tensors()[0].name, "fc1.bias");
  EXPECT_THAT(checkpoint.unread(),
              ElementsAre(HasSubstr("\"fc1.weight\" is an object of \"torch._utils._rebuild_qtensor\"")));
}

TEST(Checkpoint, NamesWhatItRefuses) {
  EXPECT_THAT(error_of(kFolder / "absent.pth"), HasSubstr("there is no such file"));
  EXPECT_THAT(error_of(kFolder), HasSubstr("is a folder of several checkpoints"));
  EXPECT_THAT(error_of(CONVOY_SOURCE_DIR "/src"), HasSubstr("is a folder without a checkpoint"));
  EXPECT_THAT(error_of(CONVOY_SOURCE_DIR "/LICENSE"), HasSubstr("is no checkpoint"));
  using namespace std::string_literals;
  for (const auto& [name, content, expected] : std::vector<std::tuple<std::string, std::string, std::string>>{
           {"x.h5", "\x89HDF\r\n\x1a\n" + std::string(64, '\0'), "an HDF5 file, as Keras writes"},
           {"x.bin", "GGUF\3\0\0\0"s, "a GGUF file"},
           {"x", "\x08\x0a\x12\x07pytorch\x1a\x05"s, "an ONNX file"},
           {"x", "\x08\x07:\x90\x01"s, "an ONNX file"},
           {"x.onnx", "anything", "an ONNX file"},
           {"x.tflite", "\x1c\0\0\0TFL3"s, "a TensorFlow Lite file"},
           {"model.ckpt.index", "anything", "a checkpoint of TensorFlow"},
           {"saved_model.pb", "\x08\x01\x12\x05", "a SavedModel of TensorFlow"},
           {"flax_model.msgpack", "\x81\xa6params", "a checkpoint of Flax"},
           {"x.pth", "version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"},
           {"x.pth", "<!DOCTYPE html>\n<html>", "a web page"},
           {"x.pth.gz", "\x1f\x8b\x08\0"s, "gunzip"},
           {"x.npy", "\x93NUMPY\x01\0v\0"s, "a NumPy array"},
           {"x.tar", std::string(257, 'a') + "ustar\0"s + std::string(9, '0'), "a tar archive"},
       }) {
    const std::filesystem::path path = testing::TempDir() + name;
    write(path, content);
    EXPECT_THAT(error_of(path), HasSubstr(expected)) << name;
    std::filesystem::remove(path);
  }
}

// Zip archives of these files, empty, in a folder as torch.save has one, or without.
TEST(Checkpoint, NamesOtherArchives) {
  for (const auto& [files, expected] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"net/data.pkl", "net/constants.pkl", "net/code/__torch__.py"}, "a TorchScript archive"},
           {{"net/archive_format", "net/models/model.json"}, "a program of torch.export"},
           {{"serialized_exported_program.json"}, "a program of torch.export"},
           {{"metadata.json", "config.json", "model.weights.h5"}, "a network of Keras (.keras)"},
           {{"a.npy", "b.npy"}, "an archive of NumPy arrays"},
           {{"net/.data/version", "net/model.py"}, "a package of torch.package"},
           {{"word/document.xml"}, "without data.pkl"},
       }) {
    const std::filesystem::path path = testing::TempDir() + "other.zip";
    archive* zip = archive_write_new();
    archive_write_set_format_zip(zip);
    ASSERT_EQ(archive_write_open_filename(zip, path.c_str()), ARCHIVE_OK);
    for (const std::string& file : files) {
      archive_entry* entry = archive_entry_new();
      archive_entry_set_pathname(entry, file.c_str());
      archive_entry_set_filetype(entry, AE_IFREG);
      archive_entry_set_size(entry, 0);
      archive_write_header(zip, entry);
      archive_entry_free(entry);
    }
    archive_write_free(zip);
    EXPECT_THAT(error_of(path), HasSubstr(expected));
    std::filesystem::remove(path);
  }
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
                                         "tiny_protocol2.pdparams", "nested.pdparams", "network.pth",
                                         "network_legacy.pth", "everything.pth", "arrays.pkl"));

}  // namespace
}  // namespace convoy
