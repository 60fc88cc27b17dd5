#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <protozero/pbf_writer.hpp>

#include "convoy/error.h"
#include "formats/onnx_fields.h"
#include "formats/onnx_model.h"

namespace convoy {
namespace {

using protozero::pbf_writer;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

template <class T>
std::vector<T> values_of(const OnnxTensor& tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

class Onnx : public testing::Test {
 protected:
  using Write = std::function<void(pbf_writer&)>;

  void SetUp() override {
    root_ = std::filesystem::path(testing::TempDir()) / "onnx" /
            testing::UnitTest::GetInstance()->current_test_info()->name();
    folder_ = root_ / "model";
    std::filesystem::create_directories(folder_);
    path_ = folder_ / "model.onnx";
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  static void put(const std::filesystem::path& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }
  static std::string message(const Write& write) {
    std::string bytes;
    pbf_writer writer(bytes);
    write(writer);
    return bytes;
  }
  // A model whose graph is written by `write`.
  static std::string model_bytes(const Write& write) {
    return message([&](pbf_writer& model) {
      model.add_int64(onnx::kModelIrVersion, 8);
      model.add_message(onnx::kModelGraph, message(write));
      model.add_message(onnx::kModelOpsets, message([](pbf_writer& o) { o.add_int64(onnx::kOpsetVersion, 13); }));
    });
  }
  OnnxModel read(const std::string& bytes) const {
    put(path_, bytes);
    return read_onnx(path_);
  }
  OnnxTensor read_tensor(const Write& write) const {
    const std::string tensor = message(write);
    return read(model_bytes([&](pbf_writer& graph) { graph.add_message(onnx::kGraphTensors, tensor); })).tensors.at(0);
  }
  // The message of the Error that reading gives; empty if there is none.
  std::string error_of(const std::string& bytes) const {
    try {
      read(bytes);
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }
  std::string tensor_error(const Write& write) const {
    const std::string tensor = message(write);
    return error_of(model_bytes([&](pbf_writer& graph) { graph.add_message(onnx::kGraphTensors, tensor); }));
  }
  // Of a tensor of two floats in another file.
  static Write external(const std::string& location, const std::string& offset = "", const std::string& length = "") {
    return [=](pbf_writer& tensor) {
      tensor.add_int64(onnx::kTensorShape, 2);
      tensor.add_int32(onnx::kTensorType, 1);
      tensor.add_string(onnx::kTensorName, "w");
      tensor.add_enum(onnx::kTensorLocation, 1);
      const auto add = [&](const std::string& key, const std::string& value) {
        pbf_writer entry(tensor, onnx::kTensorExternal);
        entry.add_string(onnx::kEntryKey, key);
        entry.add_string(onnx::kEntryValue, value);
      };
      add("location", location);
      if (!offset.empty()) add("offset", offset);
      if (!length.empty()) add("length", length);
      add("checksum", "whatever");
    };
  }
  static Write typed(DType type, int64_t extent, const Write& write) {
    return [=](pbf_writer& tensor) {
      write(tensor);  // ahead of the type, which any order of fields may have
      tensor.add_int64(onnx::kTensorShape, extent);
      tensor.add_int32(onnx::kTensorType, onnx::type_number(type));
      tensor.add_string(onnx::kTensorName, "w");
    };
  }
  // Of a tensor of three elements in int32_data.
  std::vector<std::byte> int32_data(DType type, std::vector<int32_t> values) const {
    const OnnxTensor tensor = read_tensor(typed(type, static_cast<int64_t>(values.size()), [&](pbf_writer& writer) {
      writer.add_packed_int32(onnx::kTensorInt32s, values.begin(), values.end());
    }));
    return {tensor.bytes.begin(), tensor.bytes.end()};
  }

  std::filesystem::path root_, folder_, path_;
};

std::vector<std::byte> bytes_of(std::vector<int> values) {
  std::vector<std::byte> bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

const std::vector<float> kFloats = {1.5F, -2.0F, 3.0F, 0.25F, 5.0F, 6.0F};

OnnxModel small_model() {
  const OnnxTensor weight{.name = "weight", .shape = {2, 3}, .bytes = std::as_bytes(std::span(kFloats))};
  const OnnxTensor byte{.name = "", .type = DType::u8, .shape = {}, .bytes = weight.bytes.first(1)};
  OnnxNode node{.op = "Gemm", .name = "head", .inputs = {"x", "", "weight"}, .outputs = {"y"}};
  node.attributes = {{"integer", int64_t{-3}},
                     {"number", 0.5F},
                     {"text", std::string("same")},
                     {"integers", std::vector<int64_t>{1, -2, int64_t{1} << 40}},
                     {"numbers", std::vector<float>{1, -0.5F}},
                     {"tensor", byte}};
  return {.opset = 19,
          .graph_name = "net",
          .nodes = {node, {.op = "Relu", .name = "", .inputs = {"y"}, .outputs = {"z"}}},
          .tensors = {weight},
          .inputs = {{"x", DType::f16, {std::string("batch"), 3}}},
          .outputs = {{"z", DType::f32, {}}},
          .metadata = {{"classes", "[\"cat\"]"}, {"note", ""}}};
}

TEST_F(Onnx, ReadsWhatWasWritten) {
  write_onnx(path_, small_model());
  const OnnxModel model = read_onnx(path_);
  EXPECT_EQ(model.opset, 19);
  EXPECT_EQ(model.graph_name, "net");
  EXPECT_EQ(model.metadata, small_model().metadata);
  ASSERT_THAT(model.nodes, SizeIs(2));
  const OnnxNode& node = model.nodes[0];
  EXPECT_EQ(node.op, "Gemm");
  EXPECT_EQ(node.name, "head");
  EXPECT_THAT(node.inputs, ElementsAre("x", "", "weight"));
  EXPECT_THAT(node.outputs, ElementsAre("y"));
  ASSERT_THAT(node.attributes, SizeIs(6));
  EXPECT_EQ(node.attributes[0].name, "integer");
  EXPECT_EQ(std::get<int64_t>(node.attributes[0].value), -3);
  EXPECT_EQ(std::get<float>(node.attributes[1].value), 0.5F);
  EXPECT_EQ(std::get<std::string>(node.attributes[2].value), "same");
  EXPECT_THAT(std::get<std::vector<int64_t>>(node.attributes[3].value), ElementsAre(1, -2, int64_t{1} << 40));
  EXPECT_THAT(std::get<std::vector<float>>(node.attributes[4].value), ElementsAre(1, -0.5F));
  EXPECT_THAT(std::get<OnnxTensor>(node.attributes[5].value).shape, IsEmpty());
  EXPECT_EQ(std::get<OnnxTensor>(node.attributes[5].value).type, DType::u8);
  EXPECT_EQ(model.nodes[1].op, "Relu");
  ASSERT_THAT(model.inputs, SizeIs(1));
  EXPECT_EQ(model.inputs[0].type, DType::f16);
  EXPECT_EQ(model.inputs[0].shape, small_model().inputs[0].shape);
  ASSERT_THAT(model.outputs, SizeIs(1));
  EXPECT_EQ(model.outputs[0].name, "z");
}

TEST_F(Onnx, TensorsOutliveTheModelAndTheFile) {
  write_onnx(path_, small_model());
  const OnnxTensor weight = read_onnx(path_).tensors.at(0);
  std::filesystem::remove(path_);
  EXPECT_EQ(weight.name, "weight");
  EXPECT_THAT(weight.shape, ElementsAre(2, 3));
  EXPECT_EQ(values_of<float>(weight), kFloats);
}

TEST_F(Onnx, ReadsIntegersOfEachTypeInInt32Data) {
  EXPECT_EQ(int32_data(DType::i8, {-128, 127}), bytes_of({0x80, 0x7f}));
  EXPECT_EQ(int32_data(DType::u8, {255, 1}), bytes_of({0xff, 1}));
  EXPECT_EQ(int32_data(DType::boolean, {1, 0}), bytes_of({1, 0}));
  EXPECT_EQ(int32_data(DType::f8_e4m3, {0x38}), bytes_of({0x38}));
  EXPECT_EQ(int32_data(DType::f8_e5m2, {0xfc}), bytes_of({0xfc}));
  EXPECT_EQ(int32_data(DType::i16, {-2}), bytes_of({0xfe, 0xff}));
  EXPECT_EQ(int32_data(DType::u16, {0xfffe}), bytes_of({0xfe, 0xff}));
  EXPECT_EQ(int32_data(DType::f16, {0x3c00}), bytes_of({0x00, 0x3c}));
  EXPECT_EQ(int32_data(DType::bf16, {0xbf80}), bytes_of({0x80, 0xbf}));
  EXPECT_EQ(int32_data(DType::i32, {-1, 258}), bytes_of({0xff, 0xff, 0xff, 0xff, 2, 1, 0, 0}));
  EXPECT_THROW(int32_data(DType::u8, {256}), Error);
  EXPECT_THROW(int32_data(DType::i8, {-129}), Error);
  EXPECT_THROW(int32_data(DType::f16, {-1}), Error);
  EXPECT_THROW(int32_data(DType::f32, {1}), Error);
}

TEST_F(Onnx, ReadsOtherTypedDataPackedAndUnpacked) {
  const auto floats = read_tensor(typed(DType::f32, 3, [](pbf_writer& tensor) {
    const std::vector<float> two = {1.5F, -2};
    tensor.add_packed_float(onnx::kTensorFloats, two.begin(), two.end());
    tensor.add_float(onnx::kTensorFloats, 7);
  }));
  EXPECT_THAT(values_of<float>(floats), ElementsAre(1.5F, -2, 7));
  const auto doubles = read_tensor(typed(DType::f64, 2, [](pbf_writer& tensor) {
    tensor.add_double(onnx::kTensorDoubles, 1e300);
    const std::vector<double> one = {-0.5};
    tensor.add_packed_double(onnx::kTensorDoubles, one.begin(), one.end());
  }));
  EXPECT_THAT(values_of<double>(doubles), ElementsAre(1e300, -0.5));
  const auto longs = read_tensor(typed(DType::i64, 3, [](pbf_writer& tensor) {
    const std::vector<int64_t> two = {-1, INT64_MIN};
    tensor.add_int64(onnx::kTensorInt64s, INT64_MAX);
    tensor.add_packed_int64(onnx::kTensorInt64s, two.begin(), two.end());
  }));
  EXPECT_THAT(values_of<int64_t>(longs), ElementsAre(INT64_MAX, -1, INT64_MIN));
  const auto unsigned_longs = read_tensor(typed(DType::u64, 2, [](pbf_writer& tensor) {
    tensor.add_uint64(onnx::kTensorUint64s, UINT64_MAX);
    tensor.add_uint64(onnx::kTensorUint64s, 1);
  }));
  EXPECT_THAT(values_of<uint64_t>(unsigned_longs), ElementsAre(UINT64_MAX, 1U));
  const auto words = read_tensor(
      typed(DType::u32, 1, [](pbf_writer& tensor) { tensor.add_uint64(onnx::kTensorUint64s, UINT32_MAX); }));
  EXPECT_THAT(values_of<uint32_t>(words), ElementsAre(UINT32_MAX));
  EXPECT_THAT(
      tensor_error(
          typed(DType::u32, 1, [](pbf_writer& tensor) { tensor.add_uint64(onnx::kTensorUint64s, uint64_t{1} << 32); })),
      HasSubstr("tensor \"w\" holds 4294967296, expected 0 to 4294967295"));
}

TEST_F(Onnx, RefusesTensorsOfWrongSize) {
  const auto raw = [](std::vector<int64_t> shape, int32_t type, const std::string& bytes) {
    return [=](pbf_writer& tensor) {
      tensor.add_packed_int64(onnx::kTensorShape, shape.begin(), shape.end());
      tensor.add_int32(onnx::kTensorType, type);
      tensor.add_string(onnx::kTensorName, "w");
      tensor.add_bytes(onnx::kTensorBytes, bytes);
    };
  };
  EXPECT_EQ(tensor_error(raw({2}, 1, std::string(8, 'x'))), "");
  EXPECT_EQ(tensor_error(raw({0, 5}, 1, "")), "");
  EXPECT_EQ(tensor_error(raw({2}, 1, std::string(9, 'x'))),
            path_.string() + ": tensor \"w\" has 9 bytes, expected 8 for F32 of shape [2]");
  EXPECT_THAT(tensor_error(raw({}, 1, "")), HasSubstr("has 0 bytes, expected 4"));
  EXPECT_THAT(tensor_error(raw({-1, 0}, 1, "")), HasSubstr("has the shape [-1, 0], expected"));
  constexpr int64_t kLarge = int64_t{1} << 32;
  EXPECT_THAT(tensor_error(raw({kLarge, kLarge}, 1, "")), HasSubstr("has the shape [4294967296, 4294967296]"));
  EXPECT_THAT(tensor_error(raw({0, kLarge, kLarge}, 1, "")), HasSubstr("below 2^63 bytes"));
  for (const int type : {0, 8, 14, 15, 18, 20, 21, 22, 23, -1, 99}) {
    EXPECT_THAT(tensor_error(raw({2}, type, std::string(8, 'x'))),
                HasSubstr("tensor \"w\" has elements of ONNX's type " + std::to_string(type) + ", expected"));
  }
  EXPECT_THAT(tensor_error(typed(DType::f32, 2, [](pbf_writer& t) { t.add_float(onnx::kTensorFloats, 1); })),
              HasSubstr("has 4 bytes, expected 8"));
}

TEST_F(Onnx, ReadsExternalData) {
  std::filesystem::create_directories(folder_ / "data");
  const auto floats = std::as_bytes(std::span(kFloats));
  put(folder_ / "data" / "w.bin", {reinterpret_cast<const char*>(floats.data()), floats.size()});
  EXPECT_THAT(values_of<float>(read_tensor(external("data/w.bin"))), ElementsAre(1.5F, -2));
  EXPECT_THAT(values_of<float>(read_tensor(external("data/w.bin", "4", "8"))), ElementsAre(-2, 3));
  EXPECT_THAT(values_of<float>(read_tensor(external("./data/w.bin", "16"))), ElementsAre(5, 6));
  std::filesystem::create_symlink("data/w.bin", folder_ / "inner");
  EXPECT_THAT(values_of<float>(read_tensor(external("inner"))), ElementsAre(1.5F, -2));

  const std::string one = message(external("data/w.bin")), two = message(external("data/w.bin", "8"));
  const OnnxModel model = read(model_bytes([&](pbf_writer& graph) {
    graph.add_message(onnx::kGraphTensors, one);
    graph.add_message(onnx::kGraphTensors, two);
  }));
  EXPECT_EQ(model.tensors.at(0).owner, model.tensors.at(1).owner);
  EXPECT_EQ(model.tensors.at(0).bytes.data() + 8, model.tensors.at(1).bytes.data());
}

TEST_F(Onnx, ReadsExternalDataOfAModelInTheCurrentFolder) {
  put(folder_ / "w.bin", "12345678");
  put(path_, model_bytes([&](pbf_writer& g) { g.add_message(onnx::kGraphTensors, message(external("w.bin"))); }));
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder_);
  EXPECT_NO_THROW(read_onnx("model.onnx"));
  std::filesystem::current_path(before);
}

TEST_F(Onnx, RefusesExternalDataBeyondItsFile) {
  put(folder_ / "w", std::string(12, 'x'));
  EXPECT_EQ(tensor_error(external("w", "4", "8")), "");
  EXPECT_THAT(tensor_error(external("w", "5")),
              HasSubstr("tensor \"w\" has 8 bytes of external data at offset 5, but \"w\" has 12 bytes"));
  EXPECT_THAT(tensor_error(external("w", "18446744073709551612", "8")), HasSubstr("at offset 18446744073709551612"));
  EXPECT_THAT(tensor_error(external("w", "8", "18446744073709551612")), HasSubstr("but \"w\" has 12 bytes"));
  EXPECT_THAT(tensor_error(external("w", "0", "12")), HasSubstr("has 12 bytes, expected 8"));
  for (const char* number : {"-4", "4x", "99999999999999999999", " 4", "0x4"}) {
    EXPECT_THAT(tensor_error(external("w", number)), HasSubstr("expected a number of bytes")) << number;
  }
}

TEST_F(Onnx, RefusesExternalDataOutsideTheFolder) {
  put(root_ / "secret", std::string(8, 'x'));
  std::filesystem::create_directories(root_ / "model2");
  put(root_ / "model2" / "secret", std::string(8, 'x'));
  std::filesystem::create_directories(folder_ / "sub");
  std::filesystem::create_symlink(root_ / "secret", folder_ / "link");
  std::filesystem::create_directory_symlink(root_ / "model2", folder_ / "linked");
  const auto no_path = HasSubstr("expected the relative path, without \"..\"");
  for (const std::string& location : {std::string("../secret"), std::string("sub/../../secret"), std::string("sub/.."),
                                      (root_ / "secret").string(), std::string(), std::string("w\0x", 3)}) {
    EXPECT_THAT(tensor_error(external(location)), AllOf(StartsWith(path_.string() + ": tensor \"w\""), no_path))
        << location;
  }
  EXPECT_THAT(tensor_error(external("link")), HasSubstr("has external data in \"link\": is a link to outside"));
  EXPECT_THAT(tensor_error(external("linked/secret")), HasSubstr("is a link to outside"));
  EXPECT_THAT(tensor_error(external("absent")), HasSubstr("cannot open: No such file"));
  EXPECT_THAT(tensor_error(external("sub")), HasSubstr("is not a file"));
  EXPECT_THAT(tensor_error(external(std::string(5000, 'n'))), HasSubstr("cannot open: File name too long"));
  std::filesystem::create_symlink("loop", folder_ / "loop");
  EXPECT_THAT(tensor_error(external("loop")), HasSubstr("cannot open"));
}

// The attribute that a node gets from this AttributeProto.
OnnxAttribute read_attribute(const std::function<OnnxModel(const std::string&)>& read_graph, const std::string& bytes) {
  std::string graph, node;
  pbf_writer node_writer(node), graph_writer(graph);
  node_writer.add_string(onnx::kNodeOp, "Op");
  node_writer.add_message(onnx::kNodeAttributes, bytes);
  graph_writer.add_message(onnx::kGraphNodes, node);
  return read_graph(graph).nodes.at(0).attributes.at(0);
}

TEST_F(Onnx, ReadsAttributesOfEachKind) {
  const auto attribute = [this](int type, const Write& write) {
    const auto read_graph = [this](const std::string& graph) {
      return read(message([&](pbf_writer& model) {
        model.add_message(onnx::kModelGraph, graph);
        model.add_message(onnx::kModelOpsets, message([](pbf_writer& o) { o.add_int64(onnx::kOpsetVersion, 13); }));
      }));
    };
    return read_attribute(read_graph, message([&](pbf_writer& writer) {
                            write(writer);
                            if (type != 0) writer.add_enum(onnx::kAttributeType, type);
                          }))
        .value;
  };
  const auto nothing = [](pbf_writer&) {};
  const std::vector<int64_t> integers = {1, -1};
  const std::vector<float> numbers = {1, -1};
  const auto packed_integers = [&](pbf_writer& w) {
    w.add_packed_int64(onnx::kAttributeIntegers, integers.begin(), integers.end());
  };
  const auto packed_numbers = [&](pbf_writer& w) {
    w.add_packed_float(onnx::kAttributeNumbers, numbers.begin(), numbers.end());
  };
  for (const int typed : {0, 1}) {  // the first version of the format has no types
    EXPECT_EQ(std::get<float>(attribute(typed * 1, [](pbf_writer& w) { w.add_float(onnx::kAttributeNumber, 2); })), 2);
    EXPECT_EQ(std::get<int64_t>(attribute(typed * 2, [](pbf_writer& w) { w.add_int64(onnx::kAttributeInteger, 0); })),
              0);
    EXPECT_EQ(std::get<std::string>(attribute(typed * 3, [](pbf_writer& w) { w.add_bytes(onnx::kAttributeText, ""); })),
              "");
    EXPECT_EQ(std::get<std::vector<float>>(attribute(typed * 6, packed_numbers)), numbers);
    EXPECT_EQ(std::get<std::vector<int64_t>>(attribute(typed * 7, packed_integers)), integers);
  }
  EXPECT_EQ(std::get<int64_t>(attribute(2, nothing)), 0);
  EXPECT_THAT(std::get<std::vector<int64_t>>(attribute(7, nothing)), IsEmpty());
  EXPECT_TRUE(std::holds_alternative<OnnxOther>(attribute(0, nothing)));
  for (const int type : {5, 8, 9, 10, 11, 12, 13, 14, 99, -1}) {
    const auto graph_and_texts = [](pbf_writer& w) {
      w.add_bytes(6, "no graph at all");
      w.add_bytes(9, "text");
    };
    EXPECT_TRUE(std::holds_alternative<OnnxOther>(attribute(type, graph_and_texts))) << type;
    EXPECT_TRUE(std::holds_alternative<OnnxOther>(attribute(0, graph_and_texts)));
  }
  try {
    attribute(4, nothing);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr(": node 0: attribute \"\": tensor \"\" has elements of ONNX's type 0"));
  }
}

TEST_F(Onnx, NamesTheDomainOfOpsThatAreNotItsOwn) {
  const OnnxModel model = read(model_bytes([](pbf_writer& graph) {
    for (const char* domain : {"", "ai.onnx", "com.microsoft", "ai.onnx.ml"}) {
      pbf_writer node(graph, onnx::kGraphNodes);
      node.add_string(onnx::kNodeDomain, domain);
      node.add_string(onnx::kNodeOp, "Gelu");
    }
  }));
  ASSERT_THAT(model.nodes, SizeIs(4));
  EXPECT_EQ(model.nodes[0].op, "Gelu");
  EXPECT_EQ(model.nodes[1].op, "Gelu");
  EXPECT_EQ(model.nodes[2].op, "com.microsoft.Gelu");
  EXPECT_EQ(model.nodes[3].op, "ai.onnx.ml.Gelu");
  EXPECT_THAT(error_of(model_bytes([](pbf_writer& graph) { graph.add_bytes(onnx::kGraphNodes, ""); })),
              HasSubstr("node 0 \"\" has no op_type"));
}

// A ValueInfoProto of this type, and of the shape [-1, an unknown, 3].
std::string value_bytes(const std::string& name, int type) {
  std::string bytes;
  pbf_writer value(bytes);
  value.add_string(onnx::kValueName, name);
  pbf_writer outer(value, onnx::kValueType);
  pbf_writer tensor(outer, onnx::kTypeTensor);
  tensor.add_int32(onnx::kTensorTypeElement, type);
  pbf_writer shape(tensor, onnx::kTensorTypeShape);
  pbf_writer(shape, onnx::kShapeAxes).add_int64(onnx::kAxisExtent, -1);
  shape.add_bytes(onnx::kShapeAxes, "");
  pbf_writer(shape, onnx::kShapeAxes).add_int64(onnx::kAxisExtent, 3);
  return bytes;
}

TEST_F(Onnx, LeavesOutInputsThatAreInitializers) {
  const OnnxModel model = read(model_bytes([](pbf_writer& graph) {
    for (const char* name : {"w", "x", "v"}) graph.add_message(onnx::kGraphInputs, value_bytes(name, 1));
    for (const char* name : {"v", "w"}) {
      pbf_writer tensor(graph, onnx::kGraphTensors);
      tensor.add_string(onnx::kTensorName, name);
      tensor.add_int32(onnx::kTensorType, 1);
      tensor.add_float(onnx::kTensorFloats, 1);
    }
  }));
  ASSERT_THAT(model.inputs, SizeIs(1));
  EXPECT_EQ(model.inputs[0].name, "x");
  const std::variant<int64_t, std::string> any = "", three = int64_t{3};
  EXPECT_THAT(model.inputs[0].shape, ElementsAre(any, any, three));
}

TEST_F(Onnx, RefusesWhatNoNetworkHas) {
  const auto graph_error = [this](const Write& write) { return error_of(model_bytes(write)); };
  EXPECT_THAT(graph_error([](pbf_writer& g) { g.add_message(onnx::kGraphInputs, value_bytes("x", 8)); }),
              HasSubstr("input 0 \"x\" has elements of ONNX's type 8"));
  EXPECT_THAT(graph_error([](pbf_writer& g) {
                pbf_writer value(g, onnx::kGraphOutputs);
                value.add_string(onnx::kValueName, "y");
                pbf_writer(value, onnx::kValueType).add_bytes(4, "");
              }),
              HasSubstr("output 0 \"y\" is no tensor, expected one"));
  EXPECT_THAT(graph_error([](pbf_writer& g) { g.add_bytes(onnx::kGraphSparseTensors, ""); }),
              HasSubstr("sparse initializer"));
  EXPECT_THAT(error_of(message([](pbf_writer& model) {
                model.add_int64(onnx::kModelIrVersion, 8);
                model.add_bytes(onnx::kModelGraph, "");
                pbf_writer opset(model, onnx::kModelOpsets);
                opset.add_string(onnx::kOpsetDomain, "ai.onnx.ml");
                opset.add_int64(onnx::kOpsetVersion, 3);
              })),
              HasSubstr("names no opset"));
}

TEST_F(Onnx, RefusesFilesThatAreNotOnnx) {
  const std::string start = path_.string() + ": expected an ONNX model, got ";
  EXPECT_EQ(error_of(""), start + "an empty file");
  EXPECT_THAT(error_of("This is text.\n"), StartsWith(start + "14 bytes that are "));
  EXPECT_THAT(error_of("PK\x03\x04 and so on"), StartsWith(start));
  EXPECT_THAT(error_of(message([](pbf_writer& model) { model.add_int64(onnx::kModelIrVersion, 8); })),
              StartsWith(start + "2 bytes that are without a graph"));
  EXPECT_THROW(read_onnx(folder_ / "absent.onnx"), FileError);
  EXPECT_THROW(read_onnx(root_ / "absent" / "model.onnx"), FileError);
  EXPECT_THROW(read_onnx(folder_), FileError);
}

TEST_F(Onnx, RefusesFieldsOfTheWrongWireType) {
  EXPECT_THAT(error_of(model_bytes([](pbf_writer& graph) {
                graph.add_message(onnx::kGraphNodes, message([](pbf_writer& n) { n.add_string(onnx::kNodeOp, "Op"); }));
                pbf_writer(graph, onnx::kGraphNodes).add_int64(onnx::kNodeOp, 1);
              })),
              HasSubstr(": damaged ONNX file: node 1: field 4 has wire type 0, expected 2"));
  EXPECT_THAT(tensor_error([](pbf_writer& tensor) { tensor.add_fixed32(onnx::kTensorShape, 1); }),
              HasSubstr("damaged ONNX file: initializer 0: field 1 has wire type 5, expected 0"));
}

TEST_F(Onnx, SurvivesDamage) {
  write_onnx(path_, small_model());
  std::ifstream file(path_, std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(file), {}};
  // A download that stopped early is still told from a file of another kind.
  EXPECT_THAT(error_of(whole.substr(0, whole.size() / 2)), HasSubstr("damaged ONNX file: "));
  size_t refused = 0;
  for (size_t size = 0; size < whole.size(); ++size) refused += error_of(whole.substr(0, size)).empty() ? 0 : 1;
  EXPECT_GT(refused, whole.size() / 2);
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const int bit : {0, 1, 2, 3, 5, 7}) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      EXPECT_THAT(error_of(damaged), testing::Not(HasSubstr("\n")));
      try {
        read_onnx_tensor(path_);
      } catch (const Error&) {  // the one outcome allowed besides success
      }
    }
  }
}

TEST_F(Onnx, ReadsALoneTensor) {
  const auto write = typed(DType::f32, 2, [](pbf_writer& tensor) {
    tensor.add_float(onnx::kTensorFloats, 1);
    tensor.add_float(onnx::kTensorFloats, 2);
  });
  put(path_, message(write));
  const OnnxTensor tensor = read_onnx_tensor(path_);
  EXPECT_EQ(tensor.name, "w");
  EXPECT_THAT(values_of<float>(tensor), ElementsAre(1, 2));
  put(path_, "");
  EXPECT_THROW(read_onnx_tensor(path_), FileError);
  put(path_, message(write).substr(0, 7));
  EXPECT_THROW(read_onnx_tensor(path_), FileError);
}

}  // namespace
}  // namespace convoy
