// Expected values are numpy's, or worked out by hand from https://onnx.ai/onnx/operators.
#include "inference/onnx_fold.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <ostream>

#include "convoy/error.h"

namespace convoy {

void PrintTo(const OnnxConstant& constant, std::ostream* out) {
  *out << (constant.is_integer() ? "integers " : "floats ") << testing::PrintToString(constant.shape) << ' ';
  std::visit([&](const auto& values) { *out << testing::PrintToString(values); }, constant.values);
}

namespace {

using Integers = std::vector<int64_t>;
using Floats = std::vector<float>;
using Attributes = std::vector<OnnxAttribute>;
using Inputs = std::vector<OnnxConstant>;

constexpr int64_t kHuge = int64_t{1} << 40;
constexpr int64_t kLowest = std::numeric_limits<int64_t>::min();
constexpr int64_t kHighest = std::numeric_limits<int64_t>::max();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

OnnxConstant ints(Integers shape, Integers values) { return {std::move(shape), std::move(values)}; }
OnnxConstant reals(Integers shape, Floats values) { return {std::move(shape), std::move(values)}; }
OnnxConstant list(Integers values) { return {{static_cast<int64_t>(values.size())}, std::move(values)}; }
OnnxConstant row(Floats values) { return {{static_cast<int64_t>(values.size())}, std::move(values)}; }
OnnxConstant scalar(int64_t value) { return {{}, Integers{value}}; }
OnnxConstant real(float value) { return {{}, Floats{value}}; }

template <class T>
OnnxTensor tensor(DType type, Integers shape, const std::vector<T>& values) {
  const auto owner = std::make_shared<const std::vector<T>>(values);
  return {"t", type, std::move(shape), std::as_bytes(std::span(*owner)), owner};
}

// Integers of shape {0} stand for an input that is absent.
std::vector<OnnxConstant> all(const std::string& op, const Inputs& inputs, const Attributes& attributes = {},
                              int64_t opset = 17, size_t outputs = 1) {
  std::vector<const OnnxConstant*> known;
  for (const OnnxConstant& input : inputs) known.push_back(input == list({}) ? nullptr : &input);
  EXPECT_TRUE(can_fold(op)) << op;
  return fold({op, "", {}, std::vector<std::string>(outputs, "y"), attributes}, known, opset);
}

OnnxConstant one(const std::string& op, const Inputs& inputs, const Attributes& attributes = {}, int64_t opset = 17) {
  const auto outputs = all(op, inputs, attributes, opset);
  EXPECT_EQ(outputs.size(), 1U);
  return outputs.at(0);
}

void expect_near(const std::string& op, float x, float expected) {
  EXPECT_NEAR(one(op, {real(x)}).floats().at(0), expected, 1e-6F) << op;
}

void expect_error(const std::string& part, const std::string& op, const Inputs& inputs,
                  const Attributes& attributes = {}, int64_t opset = 17, size_t outputs = 1) {
  try {
    all(op, inputs, attributes, opset, outputs);
    FAIL() << op << " took what it should refuse: " << part;
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::AllOf(testing::StartsWith(op + ": "), testing::HasSubstr(part)));
  }
}

const OnnxConstant kGrid = reals({2, 3}, {1, 2, 3, 4, 5, 6});
const OnnxConstant kEmpty = reals({0}, {});

TEST(OnnxFold, KnowsItsOps) {
  EXPECT_FALSE(can_fold("Conv"));
  EXPECT_FALSE(can_fold(""));
  EXPECT_THROW(fold({"Conv", "", {}, {"y"}}, {}, 17), Error);
}

TEST(OnnxFold, ReadsElementsOfEveryLength) {
  EXPECT_EQ(constant_of(tensor<int8_t>(DType::i8, {2}, {-1, 5})), list({-1, 5}));
  EXPECT_EQ(constant_of(tensor<uint16_t>(DType::f16, {2}, {0x3C00, 0xC000})), row({1, -2}));
  EXPECT_EQ(constant_of(tensor<double>(DType::f64, {}, {0.5})), real(0.5F));
  EXPECT_EQ(constant_of(tensor<uint64_t>(DType::u64, {}, {uint64_t{1} << 62})), scalar(int64_t{1} << 62));
  EXPECT_THROW(constant_of(tensor<uint64_t>(DType::u64, {}, {uint64_t{1} << 63})), Error);
  EXPECT_THROW(constant_of(tensor<float>(DType::f32, {3}, {1, 2})), Error);
  EXPECT_THROW(constant_of(tensor<float>(DType::f32, {kHuge, kHuge}, {})), Error);
  EXPECT_THROW(constant_of(tensor<float>(DType::f32, {-1}, {})), Error);
  EXPECT_THROW(constant_of(tensor<float>(DType::f32, {1, 1, 1, 1, 1, 1, 1, 1, 1}, {1})), Error);
}

TEST(OnnxFold, ReadsUnalignedElements) {
  std::vector<std::byte> bytes(9);
  const int64_t value = -7;
  std::memcpy(bytes.data() + 1, &value, 8);
  EXPECT_EQ(constant_of({"t", DType::i64, {1}, std::span(bytes).subspan(1)}), list({-7}));
}

TEST(OnnxFold, Functions) {
  EXPECT_EQ(one("Abs", {row({-2, 3})}), row({2, 3}));
  EXPECT_EQ(one("Abs", {list({-2, kLowest})}), list({2, kLowest}));
  EXPECT_EQ(one("Ceil", {row({-1.5F, 1.5F})}), row({-1, 2}));
  EXPECT_EQ(one("Floor", {row({-1.5F, 1.5F})}), row({-2, 1}));
  EXPECT_EQ(one("Neg", {list({3, kLowest})}), list({-3, kLowest}));
  EXPECT_EQ(one("Neg", {row({3})}), row({-3}));
  EXPECT_EQ(one("Not", {list({0, 1})}), list({1, 0}));
  EXPECT_EQ(one("Reciprocal", {row({4})}), row({0.25F}));
  EXPECT_EQ(one("Relu", {row({-1, 2})}), row({0, 2}));
  EXPECT_EQ(one("Sign", {row({-3, 0, 9})}), row({-1, 0, 1}));
  EXPECT_EQ(one("Sign", {list({-3, 0, 9})}), list({-1, 0, 1}));
  EXPECT_EQ(one("Sqrt", {row({9})}), row({3}));
  expect_near("Cos", 0.5F, 0.877582562F);
  expect_near("Erf", 0.5F, 0.520499878F);
  expect_near("Exp", 0.5F, 1.64872127F);
  expect_near("Log", 0.5F, -0.693147181F);
  expect_near("Sin", 0.5F, 0.479425539F);
  expect_near("Sigmoid", 0.5F, 0.622459331F);
  expect_near("Tanh", 0.5F, 0.462117157F);
}

TEST(OnnxFold, Arithmetic) {
  EXPECT_EQ(one("Add", {kGrid, row({10, 20, 30})}), reals({2, 3}, {11, 22, 33, 14, 25, 36}));
  EXPECT_EQ(one("Add", {list({kHighest}), scalar(1)}), list({kLowest}));
  EXPECT_EQ(one("Sub", {reals({2, 1}, {1, 2}), row({10, 20})}), reals({2, 2}, {-9, -19, -8, -18}));
  EXPECT_EQ(one("Sub", {list({kLowest}), list({1})}), list({kHighest}));
  EXPECT_EQ(one("Mul", {list({3, kHighest}), scalar(2)}), list({6, -2}));
  EXPECT_EQ(one("Div", {list({7, -7, kLowest}), list({2, 2, -1})}), list({3, -3, kLowest}));
  EXPECT_EQ(one("Div", {row({1, 1}), row({2, 0})}), row({0.5F, kInfinity}));
  EXPECT_EQ(one("Mod", {list({7, -7, 7, -7, kLowest}), list({3, 3, -3, -3, -1})}), list({1, 2, -2, -1, 0}));
  EXPECT_EQ(one("Mod", {list({7, -7, kLowest}), list({3, 3, -1})}, {{"fmod", int64_t{1}}}), list({1, -1, 0}));
  EXPECT_EQ(one("Mod", {row({-7.5F}), row({2})}, {{"fmod", int64_t{1}}}), row({-1.5F}));
  EXPECT_EQ(one("Pow", {list({2, -3, 2, 3}), list({10, 3, -1, 0})}), list({1024, -27, 0, 1}));
  EXPECT_EQ(one("Pow", {row({2, 9}), list({-1, 2})}), row({0.5F, 81}));
  EXPECT_EQ(one("Pow", {list({9, 0}), row({0.5F, -1})}), list({3, kHighest}));
  EXPECT_EQ(one("Sum", {row({1, 2}), real(3), row({4, 5})}), row({8, 10}));
  EXPECT_EQ(one("Max", {row({1, 5}), real(3)}), row({3, 5}));
  EXPECT_EQ(one("Min", {list({1, 5}), list({3, 3}), list({2, 0})}), list({1, 0}));
  EXPECT_TRUE(std::isnan(one("Max", {row({1}), row({kNaN})}).floats()[0]));
  EXPECT_EQ(one("Add", {reals({0, 3}, {}), row({1, 2, 3})}), reals({0, 3}, {}));
}

TEST(OnnxFold, Comparisons) {
  const OnnxConstant a = row({1, 2, 3}), b = row({2, 2, 2});
  EXPECT_EQ(one("Equal", {a, b}), list({0, 1, 0}));
  EXPECT_EQ(one("Greater", {a, b}), list({0, 0, 1}));
  EXPECT_EQ(one("GreaterOrEqual", {a, b}), list({0, 1, 1}));
  EXPECT_EQ(one("Less", {a, b}), list({1, 0, 0}));
  EXPECT_EQ(one("LessOrEqual", {a, b}), list({1, 1, 0}));
  const OnnxConstant p = list({0, 0, 1, 1}), q = list({0, 1, 0, 1});
  EXPECT_EQ(one("And", {p, q}), list({0, 0, 0, 1}));
  EXPECT_EQ(one("Or", {p, q}), list({0, 1, 1, 1}));
  EXPECT_EQ(one("Xor", {p, q}), list({0, 1, 1, 0}));
  EXPECT_EQ(one("Where", {ints({2, 1}, {1, 0}), row({1, 2}), real(9)}), reals({2, 2}, {1, 2, 9, 9}));
  EXPECT_EQ(one("Where", {scalar(0), list({1}), list({2})}), list({2}));
}

TEST(OnnxFold, Casts) {
  const auto to = [](int64_t type) { return Attributes{{"to", type}}; };
  EXPECT_EQ(one("Cast", {row({-1.9F, 1.9F, kNaN, 1e30F})}, to(7)), list({-1, 1, 0, kHighest}));
  EXPECT_EQ(one("Cast", {list({300, -1})}, to(2)), list({44, 255}));
  EXPECT_EQ(one("Cast", {list({200})}, to(3)), list({-56}));
  EXPECT_EQ(one("Cast", {list({0, -4})}, to(9)), list({0, 1}));
  EXPECT_EQ(one("Cast", {row({0, 0.5F})}, to(9)), list({0, 1}));
  EXPECT_EQ(one("Cast", {list({3})}, to(1)), row({3}));
  EXPECT_EQ(one("CastLike", {row({2.5F}), scalar(0)}), list({2}));
  EXPECT_EQ(one("CastLike", {list({2}), real(0)}), row({2}));
  expect_error("got 8", "Cast", {row({1})}, to(8));
  expect_error("attribute to", "Cast", {row({1})});
  expect_error("another kind", "Cast", {row({1})}, {{"to", 1.0F}});
  expect_error("U64", "Cast", {list({-1})}, to(13));
}

TEST(OnnxFold, Clip) {
  const OnnxConstant x = row({-2, 0, 7});
  EXPECT_EQ(one("Clip", {x}, {{"min", -1.0F}, {"max", 6.0F}}, 7), row({-1, 0, 6}));
  EXPECT_EQ(one("Clip", {x, list({}), real(6)}), row({-2, 0, 6}));
  EXPECT_EQ(one("Clip", {x, real(5), real(1)}), row({1, 1, 1}));
  EXPECT_EQ(one("Clip", {list({-2, 9}), scalar(0)}), list({0, 9}));
  expect_error("one number as min", "Clip", {x, row({1, 2})});
  expect_error("got floats and integers", "Clip", {x, scalar(0)});
}

TEST(OnnxFold, Dequantize) {
  const OnnxConstant x = ints({2, 2}, {0, 10, 128, 255});
  EXPECT_EQ(one("DequantizeLinear", {x, real(0.5F), scalar(128)}), reals({2, 2}, {-64, -59, 0, 63.5F}));
  EXPECT_EQ(one("DequantizeLinear", {x, row({1, 2})}), reals({2, 2}, {0, 20, 128, 510}));
  EXPECT_EQ(one("DequantizeLinear", {x, row({1, 2}), list({0, 5})}, {{"axis", int64_t{0}}}),
            reals({2, 2}, {0, 10, 246, 500}));
  expect_error("one scale", "DequantizeLinear", {x, reals({2, 1}, {1, 2})});
  expect_error("along axis 1", "DequantizeLinear", {x, row({1, 2, 3})});
  expect_error("an axis from", "DequantizeLinear", {x, row({1, 2})}, {{"axis", int64_t{2}}});
  expect_error("integers as input 0", "DequantizeLinear", {kGrid, real(1)});
}

TEST(OnnxFold, Constants) {
  EXPECT_EQ(one("Constant", {}, {{"value", tensor<float>(DType::f32, {1}, {4})}}), row({4}));
  EXPECT_EQ(one("Constant", {}, {{"value_float", 4.0F}}), real(4));
  EXPECT_EQ(one("Constant", {}, {{"value_floats", Floats{4, 5}}}), row({4, 5}));
  EXPECT_EQ(one("Constant", {}, {{"value_int", int64_t{4}}}), scalar(4));
  EXPECT_EQ(one("Constant", {}, {{"value_ints", Integers{4, 5}}}), list({4, 5}));
  expect_error("a value", "Constant", {});
  expect_error("another kind", "Constant", {}, {{"value", OnnxOther{}}});
  EXPECT_EQ(one("ConstantOfShape", {list({2, 1})}), reals({2, 1}, {0, 0}));
  EXPECT_EQ(one("ConstantOfShape", {list({2})}, {{"value", tensor<int64_t>(DType::i64, {1}, {7})}}), list({7, 7}));
  EXPECT_EQ(one("Range", {scalar(1), scalar(8), scalar(3)}), list({1, 4, 7}));
  EXPECT_EQ(one("Range", {scalar(5), scalar(0), scalar(-2)}), list({5, 3, 1}));
  EXPECT_EQ(one("Range", {scalar(5), scalar(0), scalar(2)}), list({}));
  EXPECT_EQ(one("Range", {real(1), real(2), real(0.25F)}), row({1, 1.25F, 1.5F, 1.75F}));
  EXPECT_EQ(one("Range", {scalar(kLowest), scalar(kHighest), scalar(kHighest)}), list({kLowest, -1, kHighest - 1}));
}

TEST(OnnxFold, Shapes) {
  EXPECT_EQ(one("Shape", {kGrid}), list({2, 3}));
  EXPECT_EQ(one("Shape", {kGrid}, {{"start", int64_t{-1}}}), list({3}));
  EXPECT_EQ(one("Shape", {kGrid}, {{"start", int64_t{-9}}, {"end", int64_t{1}}}), list({2}));
  EXPECT_EQ(one("Shape", {kGrid}, {{"start", int64_t{2}}, {"end", int64_t{1}}}), ints({0}, {}));
  EXPECT_EQ(one("Size", {kGrid}), scalar(6));
  EXPECT_EQ(one("Identity", {kGrid}), kGrid);
  EXPECT_EQ(one("Flatten", {reals({1, 2, 3}, {1, 2, 3, 4, 5, 6})}, {{"axis", int64_t{-1}}}), kGrid);
  EXPECT_EQ(one("Flatten", {kGrid}, {{"axis", int64_t{0}}}).shape, Integers({1, 6}));
  EXPECT_EQ(one("Reshape", {kGrid, list({3, -1})}).shape, Integers({3, 2}));
  EXPECT_EQ(one("Reshape", {kGrid, list({0, 1, 3})}), reals({2, 1, 3}, kGrid.floats()));
  EXPECT_EQ(one("Reshape", {kEmpty, list({3, 0})}, {{"allowzero", int64_t{1}}}).shape, Integers({3, 0}));
  EXPECT_EQ(one("Squeeze", {reals({1, 2, 1}, {1, 2})}), row({1, 2}));
  EXPECT_EQ(one("Squeeze", {reals({1, 2, 1}, {1, 2}), list({-1})}).shape, Integers({1, 2}));
  EXPECT_EQ(one("Squeeze", {reals({1, 2, 1}, {1, 2})}, {{"axes", Integers{0}}}, 11).shape, Integers({2, 1}));
  EXPECT_EQ(one("Unsqueeze", {row({1, 2}), list({0, -1})}).shape, Integers({1, 2, 1}));
  EXPECT_EQ(one("Unsqueeze", {row({1, 2})}, {{"axes", Integers{1}}}, 11).shape, Integers({2, 1}));
}

TEST(OnnxFold, Places) {
  EXPECT_EQ(one("Transpose", {kGrid}), reals({3, 2}, {1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(one("Transpose", {ints({1, 2, 2}, {1, 2, 3, 4})}, {{"perm", Integers{2, 0, 1}}}),
            ints({2, 1, 2}, {1, 3, 2, 4}));
  EXPECT_EQ(one("Concat", {kGrid, reals({2, 1}, {7, 8})}, {{"axis", int64_t{-1}}}),
            reals({2, 4}, {1, 2, 3, 7, 4, 5, 6, 8}));
  EXPECT_EQ(one("Concat", {kEmpty, row({1}), row({2, 3})}, {{"axis", int64_t{0}}}), row({1, 2, 3}));
  EXPECT_EQ(one("Expand", {reals({2, 1}, {1, 2}), list({3, 1, 2})}),
            reals({3, 2, 2}, {1, 1, 2, 2, 1, 1, 2, 2, 1, 1, 2, 2}));
  EXPECT_EQ(one("Tile", {kGrid, list({2, 2})}),
            reals({4, 6}, {1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6, 1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6}));
  EXPECT_EQ(one("Tile", {kGrid, list({0, 1})}), reals({0, 3}, {}));
}

TEST(OnnxFold, Pad) {
  EXPECT_EQ(one("Pad", {kGrid, list({1, 0, 0, 2})}), reals({3, 5}, {0, 0, 0, 0, 0, 1, 2, 3, 0, 0, 4, 5, 6, 0, 0}));
  EXPECT_EQ(one("Pad", {kGrid, list({0, -1, 0, 1}), real(9)}), reals({2, 3}, {2, 3, 9, 5, 6, 9}));
  EXPECT_EQ(one("Pad", {list({1, 2, 3}), list({-5, 10})}), list({0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(one("Pad", {list({1}), list({1, 1}), list({}), list({-1})}, {}, 18), list({0, 1, 0}));
  EXPECT_EQ(one("Pad", {row({1})}, {{"pads", Integers{0, 1}}, {"value", 5.0F}}, 10), row({1, 5}));
  expect_error("mode constant, got edge", "Pad", {row({1}), list({1, 1})}, {{"mode", std::string("edge")}});
  expect_error("expected 2 pads", "Pad", {row({1}), list({1})});
  expect_error("pads from", "Pad", {row({1}), list({kLowest, 1})});
  expect_error("pads from", "Pad", {row({1}), list({0, kHuge})});
  expect_error("at most 268435456", "Pad", {kGrid, list({1 << 27, 1 << 27, 0, 0})});
  expect_error("negative extents", "Pad", {row({1, 2}), list({-3, 0})});
  expect_error("one number of the input's type", "Pad", {row({1}), list({0, 1}), scalar(1)});
}

TEST(OnnxFold, Slice) {
  const OnnxConstant x = list({0, 1, 2, 3, 4});
  const auto sliced = [&](int64_t start, int64_t end, int64_t step) {
    return one("Slice", {x, list({start}), list({end}), list({0}), list({step})});
  };
  EXPECT_EQ(sliced(1, kHighest, 2), list({1, 3}));
  EXPECT_EQ(sliced(-1, kLowest, -2), list({4, 2, 0}));
  EXPECT_EQ(sliced(100, 1, -1), list({4, 3, 2}));
  EXPECT_EQ(sliced(4, 1, 1), ints({0}, {}));
  EXPECT_EQ(sliced(-100, 100, kHighest), list({0}));
  EXPECT_EQ(sliced(4, -100, kLowest), list({4}));
  EXPECT_EQ(one("Slice", {kGrid, list({1, -2}), list({2, 3})}), reals({1, 2}, {5, 6}));
  EXPECT_EQ(one("Slice", {kGrid}, {{"starts", Integers{1}}, {"ends", Integers{3}}, {"axes", Integers{1}}}, 9),
            reals({2, 2}, {2, 3, 5, 6}));
  EXPECT_EQ(one("Slice", {kEmpty, list({5}), list({-5}), list({0}), list({-1})}), kEmpty);
  expect_error("steps other than 0", "Slice", {x, list({0}), list({1}), list({0}), list({0})});
  expect_error("as many starts", "Slice", {x, list({0}), list({1, 2})});
  expect_error("an axis from -1 to 0, got 1", "Slice", {x, list({0}), list({1}), list({1})});
  expect_error("each axis once", "Slice", {kGrid, list({0, 0}), list({1, 1}), list({0, -2})});
  expect_error("ends as input 2", "Slice", {x, list({0})});
}

TEST(OnnxFold, Split) {
  const OnnxConstant x = list({0, 1, 2, 3, 4});
  const auto column = [](float top, float bottom) { return reals({2, 1}, {top, bottom}); };
  EXPECT_EQ(all("Split", {kGrid}, {{"axis", int64_t{1}}}, 13, 3), Inputs({column(1, 4), column(2, 5), column(3, 6)}));
  EXPECT_EQ(all("Split", {x, list({1, 4})}, {}, 13, 2), Inputs({list({0}), list({1, 2, 3, 4})}));
  EXPECT_EQ(all("Split", {x}, {{"split", Integers{5, 0}}}, 11, 2), Inputs({x, ints({0}, {})}));
  EXPECT_EQ(all("Split", {x}, {{"num_outputs", int64_t{2}}}, 18, 2), Inputs({list({0, 1, 2}), list({3, 4})}));
  expect_error("that 2 outputs share", "Split", {x}, {}, 13, 2);
  expect_error("that 4 outputs share", "Split", {x}, {}, 18, 4);
  expect_error("sum up to 5", "Split", {x, list({1, 3})}, {}, 13, 2);
  expect_error("sum up to 5", "Split", {x, list({kHighest, kHighest})}, {}, 13, 2);
  expect_error("sum up to 5", "Split", {x, list({6, -1})}, {}, 13, 2);
  expect_error("got 3", "Split", {x, list({1, 3, 1})}, {}, 13, 2);
  expect_error("outputs", "Split", {x}, {{"num_outputs", kHuge}}, 18, 2);
}

TEST(OnnxFold, Lookups) {
  EXPECT_EQ(one("Gather", {kGrid, ints({2, 1}, {-1, 0})}, {{"axis", int64_t{1}}}), reals({2, 2, 1}, {3, 1, 6, 4}));
  EXPECT_EQ(one("Gather", {list({5, 6}), scalar(1)}), scalar(6));
  EXPECT_EQ(one("GatherElements", {kGrid, ints({1, 2}, {-1, 0})}, {{"axis", int64_t{1}}}), reals({1, 2}, {3, 1}));
  EXPECT_EQ(one("GatherElements", {kGrid, ints({2, 3}, {0, 1, 0, 1, 0, 1})}), reals({2, 3}, {1, 5, 3, 4, 2, 6}));
  EXPECT_EQ(one("ScatterND", {list({0, 0, 0}), ints({2, 1}, {-1, 0}), list({7, 8})}), list({8, 0, 7}));
  EXPECT_EQ(one("ScatterND", {kGrid, ints({1, 1}, {1}), reals({1, 3}, {7, 8, 9})}), reals({2, 3}, {1, 2, 3, 7, 8, 9}));
  expect_error("an index from -2 to 1, got 2", "Gather", {kGrid, scalar(2)});
  expect_error("an index", "Gather", {kEmpty, list({0})});
  expect_error("an index", "Gather", {reals({3, 0}, {}), list({0})}, {{"axis", int64_t{1}}});
  expect_error("at most 8 axes", "Gather", {kGrid, ints({1, 1, 1, 1, 1, 1, 1, 1}, {0})});
  expect_error("an index", "GatherElements", {kGrid, ints({1, 1}, {kLowest})});
  expect_error("indices that fit", "GatherElements", {kGrid, list({0})});
  expect_error("indices that fit", "GatherElements", {kGrid, ints({1, 4}, {0, 0, 0, 0})});
  expect_error("an index", "ScatterND", {list({0}), ints({1, 1}, {1}), list({7})});
  expect_error("indices for", "ScatterND", {list({0}), ints({1, 2}, {0, 0}), list({7})});
  expect_error("updates of", "ScatterND", {list({0}), ints({1, 1}, {0}), list({7, 8})});
  expect_error("reduction none", "ScatterND", {list({0}), ints({1, 1}, {0}), list({7})},
               {{"reduction", std::string("add")}});
}

TEST(OnnxFold, Reductions) {
  const Attributes last{{"axes", Integers{-1}}, {"keepdims", int64_t{0}}};
  EXPECT_EQ(one("ReduceSum", {kGrid}, last, 11), row({6, 15}));
  EXPECT_EQ(one("ReduceSum", {kGrid, list({0})}), reals({1, 3}, {5, 7, 9}));
  EXPECT_EQ(one("ReduceSum", {kGrid}), reals({1, 1}, {21}));
  EXPECT_EQ(one("ReduceSum", {kGrid}, {{"noop_with_empty_axes", int64_t{1}}}), kGrid);
  EXPECT_EQ(one("ReduceSum", {list({kHighest, 1})}, last), scalar(kLowest));
  EXPECT_EQ(one("ReduceMean", {kGrid}, last), row({2, 5}));
  EXPECT_EQ(one("ReduceMean", {list({1, 2})}, last), scalar(1));
  EXPECT_EQ(one("ReduceMax", {kGrid}, last), row({3, 6}));
  EXPECT_EQ(one("ReduceMin", {list({3, -4})}, last), scalar(-4));
  EXPECT_EQ(one("ReduceMax", {kEmpty}, last), real(-kInfinity));
  EXPECT_EQ(one("ReduceProd", {kGrid}, last), row({6, 120}));
  EXPECT_EQ(one("ReduceProd", {list({2, 3})}, last), scalar(6));
  EXPECT_TRUE(std::isnan(one("ReduceMin", {row({kNaN, 1})}, last).floats()[0]));
  expect_error("integers to choose from", "ReduceMin", {ints({0, 1}, {})});
  expect_error("elements to average", "ReduceMean", {kEmpty});
  expect_error("an axis from", "ReduceSum", {kGrid, list({2})});

  EXPECT_EQ(one("CumSum", {kGrid, scalar(1)}), reals({2, 3}, {1, 3, 6, 4, 9, 15}));
  EXPECT_EQ(one("CumSum", {kGrid, list({-2})}), reals({2, 3}, {1, 2, 3, 5, 7, 9}));
  EXPECT_EQ(one("CumSum", {kGrid, scalar(1)}, {{"reverse", int64_t{1}}}), reals({2, 3}, {6, 5, 3, 15, 11, 6}));
  EXPECT_EQ(one("CumSum", {list({5, 6, 7}), scalar(0)}, {{"exclusive", int64_t{1}}}), list({0, 5, 11}));
  expect_error("an axis from", "CumSum", {kGrid, scalar(2)});
  expect_error("one axis", "CumSum", {kGrid, list({0, 1})});
  expect_error("each axis once", "ReduceSum", {kGrid, list({1, -1})});
}

TEST(OnnxFold, Softmax) {
  const Floats values = one("Softmax", {reals({2, 2}, {0, 100, std::log(3.0F), 100})}, {{"axis", int64_t{0}}}).floats();
  EXPECT_THAT(values, testing::Pointwise(testing::FloatNear(1e-6F), Floats{0.25F, 0.5F, 0.75F, 0.5F}));
  EXPECT_EQ(one("Softmax", {reals({2, 0}, {})}), reals({2, 0}, {}));
  expect_error("opset 13", "Softmax", {kGrid}, {}, 11);
}

TEST(OnnxFold, MatMul) {
  EXPECT_EQ(one("MatMul", {kGrid, reals({3, 1}, {1, 10, 100})}), reals({2, 1}, {321, 654}));
  EXPECT_EQ(one("MatMul", {reals({1, 0}, {}), reals({0, 2}, {})}), reals({1, 2}, {0, 0}));
  EXPECT_EQ(one("MatMul", {reals({2, 1}, {1, 1}), reals({1, 0}, {})}), reals({2, 0}, {}));
  expect_error("two matrices", "MatMul", {kGrid, kGrid});
  expect_error("floats as input 0", "MatMul", {list({1}), list({1})});
  expect_error("268435456", "MatMul", {reals({1 << 15, 0}, {}), reals({0, 1 << 15}, {})});
}

TEST(OnnxFold, RefusesInputsThatDoNotFit) {
  expect_error("input 1, got none", "Add", {kGrid});
  expect_error("input 0, got none", "Relu", {list({})});
  expect_error("input 0, got none", "Max", {});
  expect_error("that broadcast", "Add", {kGrid, row({1, 2})});
  expect_error("got floats and integers", "Mul", {kGrid, scalar(1)});
  expect_error("got floats", "And", {kGrid, kGrid});
  expect_error("got integers", "Exp", {list({1})});
  expect_error("other than 0", "Div", {list({1}), list({0})});
  expect_error("other than 0", "Mod", {list({1}), list({0})});
  expect_error("fmod", "Mod", {row({1}), row({1})});
  expect_error("one type", "Where", {scalar(1), real(1), scalar(1)});
  expect_error("of shape [2]", "Relu", {reals({2}, {1})});
  expect_error("at most 8 axes", "Relu", {reals({1, 1, 1, 1, 1, 1, 1, 1, 1}, {1})});
  expect_error("negative extents", "Relu", {reals({-1, -1}, {1})});
  expect_error("at most 1 outputs, got 2", "Relu", {kGrid}, {}, 17, 2);
}

TEST(OnnxFold, RefusesShapesThatDoNotFit) {
  expect_error("a shape of 6 elements", "Reshape", {kGrid, list({4})});
  expect_error("a shape of 6 elements", "Reshape", {kGrid, list({4, -1})});
  expect_error("a shape of 6 elements", "Reshape", {kGrid, list({0, -1, 0})}, {{"allowzero", int64_t{1}}});
  expect_error("-1 once", "Reshape", {kGrid, list({-1, -1})});
  expect_error("an axis 2 to copy", "Reshape", {kGrid, list({2, 3, 0})});
  expect_error("negative extents", "Reshape", {kGrid, list({-2, -3})});
  expect_error("a list", "Reshape", {kGrid, ints({1, 1}, {6})});
  expect_error("shape as input 1", "Reshape", {kGrid});
  expect_error("extent 1", "Squeeze", {kGrid, list({0})});
  expect_error("an axis from", "Unsqueeze", {kGrid, list({3})});
  expect_error("at most 8 axes", "Unsqueeze", {kGrid, list({0, 1, 2, 3, 4, 5, 6})});
  expect_error("an axis from", "Flatten", {kGrid}, {{"axis", int64_t{3}}});
  expect_error("each axis once", "Transpose", {kGrid}, {{"perm", Integers{0, 0}}});
  expect_error("2 axes in perm", "Transpose", {kGrid}, {{"perm", Integers{0}}});
  expect_error("attribute axis", "Concat", {kGrid});
  expect_error("along axis 0", "Concat", {kGrid, row({1})}, {{"axis", int64_t{0}}});
  expect_error("along axis 0", "Concat", {row({1}), list({1})}, {{"axis", int64_t{0}}});
  expect_error("an axis from", "Concat", {row({1})}, {{"axis", kLowest}});
  expect_error("2 repeats", "Tile", {kGrid, list({1})});
}

TEST(OnnxFold, RefusesHugeOutputs) {
  const std::string part = "at most 268435456 elements";
  expect_error(part, "ConstantOfShape", {list({kHuge, kHuge})});
  expect_error(part, "ConstantOfShape", {list({0, kHuge, kHighest})});
  expect_error("negative extents", "ConstantOfShape", {list({-1})});
  expect_error("at most 8 axes", "ConstantOfShape", {list(Integers(9, 1))});
  expect_error(part, "Expand", {kGrid, list({kHuge, 1, 1})});
  expect_error("at most 8 axes", "Expand", {kGrid, list(Integers(1000, 1))});
  expect_error(part, "Tile", {kGrid, list({1 << 14, 1 << 14})});
  expect_error(part, "Tile", {kGrid, list({kHighest, kHighest})});
  expect_error("negative extents", "Tile", {kGrid, list({-1, -1})});
  expect_error(part, "Add", {reals({1 << 15, 1}, Floats(1 << 15)), row(Floats(1 << 14))});
  expect_error(part, "Range", {scalar(kLowest), scalar(kHighest), scalar(1)});
  expect_error(part, "Range", {real(0), real(1), real(1e-30F)});
  expect_error(part, "Range", {real(0), real(kNaN), real(1)});
  expect_error(part, "Range", {real(0), real(kInfinity), real(1)});
  expect_error("other than 0", "Range", {scalar(0), scalar(1), scalar(0)});
  expect_error("other than 0", "Range", {real(0), real(1), real(0)});
  expect_error("one number", "Range", {scalar(0), real(1), scalar(1)});
  expect_error(part, "Reshape", {kGrid, list({kHuge, kHuge})});
}

}  // namespace
}  // namespace convoy
