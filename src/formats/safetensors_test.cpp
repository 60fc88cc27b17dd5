#include "formats/safetensors.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <fstream>
#include <limits>

#include "convoy/error.h"
#include "core/random.h"

namespace convoy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Safetensors : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
    path_ = folder_ / "model.safetensors";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write(std::string_view bytes) const { std::ofstream(path_, std::ios::binary) << bytes; }
  std::string written() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // The message of the Error that opening this header gives; empty if there is none.
  std::string error_of(std::string_view header, size_t data_bytes) const {
    const uint64_t length = header.size();
    std::string bytes(sizeof(length), '\0');
    std::memcpy(bytes.data(), &length, sizeof(length));
    write(bytes.append(header).append(data_bytes, 'x'));
    try {
      const SafetensorsReader reader(path_);
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }

  std::filesystem::path folder_;
  std::filesystem::path path_;
};

// What safetensors 0.6 for Python wrote: save(tensors, metadata={"note": "café \"x\""}).
constexpr std::string_view kReferenceHeader =
    R"({"__metadata__":{"note":"café \"x\""},"long":{"dtype":"I64","shape":[2],"data_offsets":[0,16]},)"
    R"("wide":{"dtype":"F64","shape":[1,2],"data_offsets":[16,32]},)"
    R"("empty":{"dtype":"F32","shape":[0,3],"data_offsets":[32,32]},)"
    R"("plain":{"dtype":"F32","shape":[2,2],"data_offsets":[32,48]},)"
    R"("scalar":{"dtype":"F32","shape":[],"data_offsets":[48,52]},)"
    R"("int":{"dtype":"I32","shape":[2],"data_offsets":[52,60]},)"
    R"("brain":{"dtype":"BF16","shape":[3],"data_offsets":[60,66]},)"
    R"("half":{"dtype":"F16","shape":[6],"data_offsets":[66,78]},)"
    R"("byte":{"dtype":"U8","shape":[3],"data_offsets":[78,81]}}       )";
constexpr std::string_view kReferenceData =
    "f9ffffffffffffff0000000000010000000000000000f83f00000000000002c00000003f000080bf000040406f12833a00008840"
    "fbffffff06000000803f49c04a71003c00c0ff7b0100007c662e00ff07";

std::string reference_file() {
  std::string bytes("\x40\x02\0\0\0\0\0\0", 8);
  bytes += kReferenceHeader;
  for (size_t i = 0; i < kReferenceData.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(kReferenceData.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

TEST_F(Safetensors, ReadsEveryTypeOfAFileThatPythonWrote) {
  write(reference_file());
  const SafetensorsReader reader(path_);
  EXPECT_EQ(reader.metadata().at("note"), "café \"x\"");
  EXPECT_EQ(reader.tensors().size(), 9U);
  EXPECT_THAT(reader.doubles("wide"), ElementsAre(1.5, -2.25));
  EXPECT_THAT(reader.floats("plain"), ElementsAre(0.5F, -1.0F, 3.0F, 1e-3F));
  EXPECT_THAT(reader.floats("half"),
              ElementsAre(1.0F, -2.0F, 65504.0F, 0x1p-24F, std::numeric_limits<float>::infinity(), 0x1.998p-4F));
  EXPECT_THAT(reader.floats("brain"), ElementsAre(1.0F, -3.140625F, std::bit_cast<float>(0x714A0000)));
  EXPECT_THAT(reader.integers("long"), ElementsAre(-7, int64_t{1} << 40));
  EXPECT_THAT(reader.integers("int"), ElementsAre(-5, 6));
  EXPECT_THAT(reader.doubles("byte"), ElementsAre(0, 255, 7));
  EXPECT_THAT(reader.floats("scalar"), ElementsAre(4.25F));
  EXPECT_TRUE(reader.floats("empty").empty());
  EXPECT_THAT(reader.tensor("empty").shape, ElementsAre(0, 3));
  EXPECT_EQ(reader.find("absent"), nullptr);
  EXPECT_THROW(reader.floats("absent"), Error);
  EXPECT_THROW(reader.floats("long"), Error);  // 2^40 + 0 is beyond a float's exact integers
  EXPECT_THROW(reader.integers("wide"), Error);
}

std::vector<TensorToStore> tensors_of(const SafetensorsReader& reader, std::vector<std::vector<std::byte>>& storage) {
  std::vector<TensorToStore> tensors;
  for (const StoredTensor& tensor : reader.tensors()) storage.push_back(reader.bytes(tensor.name));
  for (size_t i = 0; i < storage.size(); ++i) {
    const StoredTensor& tensor = reader.tensors()[i];
    tensors.push_back({tensor.name, tensor.type, tensor.shape, storage[i]});
  }
  return tensors;
}

TEST_F(Safetensors, WritesTheBytesThatPythonWritesInWhateverOrderTensorsCome) {
  write(reference_file());
  std::vector<std::vector<std::byte>> storage;
  const SafetensorsReader reader(path_);
  std::vector<TensorToStore> tensors = tensors_of(reader, storage);
  std::reverse(tensors.begin(), tensors.end());
  write_safetensors(path_, tensors, reader.metadata());
  EXPECT_EQ(written(), reference_file());
}

TEST_F(Safetensors, RefusesToWriteWhatCouldNotBeReadBack) {
  const std::array<float, 2> two{};
  const TensorToStore tensor{"weight", DType::f32, {2}, std::as_bytes(std::span(two))};
  TensorToStore wrong_size = tensor;
  wrong_size.shape = {3};
  TensorToStore not_utf8 = tensor;
  not_utf8.name = "\xFF";
  TensorToStore reserved = tensor;
  reserved.name = "__metadata__";
  EXPECT_THROW(write_safetensors(path_, {tensor, tensor}, {}), Error);
  EXPECT_THROW(write_safetensors(path_, {wrong_size}, {}), Error);
  EXPECT_THROW(write_safetensors(path_, {not_utf8}, {}), Error);
  EXPECT_THROW(write_safetensors(path_, {reserved}, {}), Error);
  EXPECT_THROW(write_safetensors(folder_ / "absent" / "x.safetensors", {tensor}, {}), Error);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(Safetensors, AFullDiskLeavesTheOldFileAndNothingElse) {
  write("old");
  const std::vector<float> values(100000);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 4096, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_THROW(write_safetensors(path_, {{"w", DType::f32, {100000}, std::as_bytes(std::span(values))}}, {}), Error);
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(written(), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(Safetensors, DamagedHeadersGiveAnErrorThatNamesFileAndTensor) {
  const auto entry = [](std::string_view dtype, std::string_view shape, std::string_view offsets) {
    return R"({"w":{"dtype":")" + std::string(dtype) + R"(","shape":)" + std::string(shape) + R"(,"data_offsets":)" +
           std::string(offsets) + "}}";
  };
  EXPECT_EQ(error_of(entry("F32", "[2]", "[0,8]"), 8), "");
  for (const auto& [header, expected] : std::vector<std::pair<std::string, std::string>>{
           {entry("F32", "[3]", "[0,8]"), "\"w\": 8 bytes of data do not agree with type F32 and shape [3]"},
           {entry("F64", "[2]", "[0,8]"), "\"w\": 8 bytes of data do not agree"},
           {entry("F32", "[4294967296,4294967296,4294967296]", "[0,8]"), "do not agree"},
           {entry("F32", "[-1]", "[0,8]"), "\"w\": \"shape\" is missing or no list of sizes"},
           {entry("F32", "[2.0]", "[0,8]"), "\"shape\""},
           {entry("F32", "[2]", "[0,9]"), "lie outside the 8 bytes"},
           {entry("F32", "[2]", "[8,0]"), "lie outside"},
           {entry("F32", "[0]", "[0,18446744073709551615]"), "\"data_offsets\""},
           {entry("F32", "[0]", "[0]"), "lie outside"},
           {entry("F32", "[1]", "[4,8]"), "starts at data byte 4, expected 0"},
           {entry("F32", "[1]", "[0,4]"), "cover 4 of 8 bytes"},
           {entry("C64", "[1]", "[0,4]"), "cover 4 of 8 bytes"},
           {R"({"w":{},"w":{}})", "names \"w\" twice"},
           {R"({"w":{"dtype":"F32","dtype":"F32"}})", "names \"dtype\" twice"},
           {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
            R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
            "\"b\" starts at data byte 4, expected 8"},
           {R"({"w":7})", "\"w\": its entry is not an object"},
           {R"({"__metadata__":{"a":1}})", "metadata entry \"a\""},
           {R"({"__metadata__":3})", "__metadata__"},
           {R"({"w":{"shape":[[[1]]]}})", "nested too deeply"},
           {std::string(1000000, '['), "nested too deeply"},
           {"[]", "not a JSON object"},
           {"{\"a\":", "not JSON"},
           {"{\"\xFF\":1}", "not JSON"},
           {"{\"a\\nb\":1}", R"("a\nb")"},
       }) {
    const std::string message = error_of(header, 8);
    EXPECT_THAT(message, HasSubstr(expected)) << header.substr(0, 200);
    EXPECT_THAT(message, HasSubstr("model.safetensors: "));
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
}

// Types as in the reference implementation's enumeration; what Convoy does not compute with is named, and passed over.
TEST_F(Safetensors, UnknownTypesArePassedOver) {
  const std::string header =
      R"({"a":{"dtype":"C64","shape":[1],"data_offsets":[0,8]},"b":{"dtype":"F4","shape":[4],"data_offsets":[8,10]},)"
      R"("c":{"dtype":"U16","shape":[1],"data_offsets":[10,12]}})";
  EXPECT_EQ(error_of(header, 12), "");
  const SafetensorsReader file(path_);
  ASSERT_EQ(file.unread().size(), 2);
  EXPECT_EQ(file.unread()[0].name, "a");
  EXPECT_EQ(file.unread()[1].type, "F4");
  ASSERT_EQ(file.tensors().size(), 1);
  EXPECT_EQ(file.integers("c").size(), 1);
}

// The numbers are those of torch.tensor([0x01, 0x38, 0xbf, 0x7e, 0x08, 0xfc], dtype=torch.uint8).view(TYPE).float().
TEST_F(Safetensors, ReadsEightBitNumbers) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const auto& [type, expected] : std::vector<std::pair<std::string, std::vector<float>>>{
           {"F8_E4M3", {0.001953125F, 1, -1.875F, 448, 0.015625F, -384}},
           {"F8_E5M2", {1.52587890625e-05F, 0.5F, -1.75F, 0, 0.0001220703125F, -kInfinity}}}) {
    const std::string header = R"({"w":{"dtype":")" + type + R"(","shape":[6],"data_offsets":[0,6]}})";
    std::string file(8, '\0');
    const uint64_t length = header.size();
    std::memcpy(file.data(), &length, sizeof(length));
    write(file + header + "\x01\x38\xbf\x7e\x08\xfc");
    std::vector<float> values = SafetensorsReader(path_).floats("w");
    if (type == "F8_E5M2") {
      EXPECT_TRUE(std::isnan(values[3]));
      values[3] = 0;
    }
    EXPECT_EQ(values, expected) << type;
  }
}

TEST_F(Safetensors, NotAFile) {
  EXPECT_THROW(SafetensorsReader(folder_ / "absent"), Error);
  EXPECT_THROW(SafetensorsReader{folder_}, Error);
  write("");
  EXPECT_THROW(SafetensorsReader{path_}, Error);
  write(std::string("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 8) + "{}");
  EXPECT_THROW(SafetensorsReader{path_}, Error);
  write(std::string("\x03\0\0\0\0\0\0\0", 8) + "{}");
  EXPECT_THROW(SafetensorsReader{path_}, Error);
}

TEST_F(Safetensors, AFileThatShrinksWhileOpenIsAnError) {
  write(reference_file());
  const SafetensorsReader reader(path_);
  std::filesystem::resize_file(path_, reference_file().size() - 1);
  EXPECT_THAT(reader.floats("scalar"), ElementsAre(4.25F));
  EXPECT_THROW(reader.bytes("byte"), Error);
}

// Opens the file and reads all of it; true if there was no Error.
bool reads(const std::filesystem::path& path) {
  try {
    const SafetensorsReader reader(path);
    for (const StoredTensor& tensor : reader.tensors()) {
      EXPECT_EQ(reader.bytes(tensor.name).size(), static_cast<size_t>(tensor.elements * size_of(tensor.type)));
      EXPECT_LT(tensor.elements, 1000);
      reader.doubles(tensor.name);
    }
    return true;
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("model.safetensors"));
    return false;
  }
}

TEST_F(Safetensors, EveryTruncationIsAnError) {
  const std::string whole = reference_file();
  for (size_t size = 0; size < whole.size(); ++size) {
    write(whole.substr(0, size));
    EXPECT_FALSE(reads(path_)) << size;
  }
}

TEST_F(Safetensors, MutationsNeverDoWorseThanAnError) {
  const std::string whole = reference_file();
  const size_t header_end = 8 + kReferenceHeader.size();
  for (size_t bit = 0; bit < header_end * 8; ++bit) {
    std::string mutated = whole;
    mutated[bit / 8] = static_cast<char>(mutated[bit / 8] ^ 1 << bit % 8);
    write(mutated);
    reads(path_);
  }
  RandomStream random(1, "mutation");
  constexpr std::string_view kAlphabet = "0123456789-.[]{}\",:eFI\\u\0\xFF";
  for (int trial = 0; trial < 3000; ++trial) {
    std::string mutated = whole;
    for (uint32_t edits = 1 + random.below(4); edits > 0; --edits) {
      const size_t at = 8 + random.below(static_cast<uint32_t>(header_end - 8));
      mutated[at] = kAlphabet[random.below(static_cast<uint32_t>(kAlphabet.size()))];
    }
    write(mutated);
    reads(path_);
  }
}

}  // namespace
}  // namespace convoy
