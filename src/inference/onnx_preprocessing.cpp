#include "inference/onnx_preprocessing.h"

#include <cmath>
#include <initializer_list>

namespace convoy {
namespace {

// The weights of Pillow's resampling filter at distances `t` from the pixel's centre, in units of its support's scale.
std::string filter_weights(OnnxExporter& to, Interpolation filter, const std::string& t) {
  const auto number = [&](float value) { return to.number(value); };
  const std::string distance = to.add("Abs", {t});
  if (filter == Interpolation::bilinear) return to.add("Relu", {to.add("Sub", {number(1), distance})});
  if (filter == Interpolation::box) {
    const std::string inside =
        to.add("And", {to.add("Greater", {t, number(-0.5F)}), to.add("LessOrEqual", {t, number(0.5F)})});
    return to.add("Cast", {inside}, {{"to", onnx_type(DType::f32)}});
  }
  // Bicubic, with Pillow's a of -0.5: polynomials below a distance of 1 and of 2, in Horner's form.
  const auto polynomial = [&](std::initializer_list<float> coefficients) {
    std::string value = number(*coefficients.begin());
    for (const float* c = coefficients.begin() + 1; c != coefficients.end(); ++c) {
      value = to.add("Add", {to.add("Mul", {value, distance}), number(*c)});
    }
    return value;
  };
  const std::string near = polynomial({1.5F, -2.5F, 0, 1}), far = polynomial({-0.5F, 2.5F, -4, 2});
  const std::string beyond = to.add("Where", {to.add("Less", {distance, number(2)}), far, number(0)});
  return to.add("Where", {to.add("Less", {distance, number(1)}), near, beyond});
}

// A matrix of `in` rows and `out` columns, or the other way round: what Pillow makes each of `out` pixels of. Resize
// has no antialiasing before opset 18, and some runtimes ignore it.
std::string resampling_matrix(OnnxExporter& to, Interpolation filter, const std::string& in, const std::string& out,
                              bool in_is_rows) {
  const auto odd_numbers = [&](const std::string& count, bool rows) {
    const std::string scalar = to.add("Squeeze", {count});
    const std::string range = to.add("Range", {to.integer(0), scalar, to.integer(1)});
    const std::string odd = to.add("Add", {to.add("Mul", {range, to.integer(2)}), to.integer(1)});
    return to.reshaped(odd, rows ? Integers{-1, 1} : Integers{1, -1});
  };
  const std::string from = odd_numbers(in, in_is_rows), onto = odd_numbers(out, !in_is_rows);
  const std::string centre = to.add("Mul", {onto, in});  // times 2 out, as are the distances from it
  const std::string twice_out = to.add("Mul", {out, to.integer(2)});
  const OnnxAttributes to_float{{"to", onnx_type(DType::f32)}};
  if (filter == Interpolation::nearest) {
    const std::string place = to.add("Div", {from, to.integer(2)});
    return to.add("Cast", {to.add("Equal", {place, to.add("Div", {centre, twice_out})})}, to_float);
  }
  const std::string distance = to.add("Cast", {to.add("Sub", {to.add("Mul", {from, out}), centre})}, to_float);
  const std::string scale = to.add("Mul", {to.add("Max", {in, out}), to.integer(2)});
  const std::string weights = filter_weights(to, filter, to.add("Div", {distance, to.add("Cast", {scale}, to_float)}));
  return to.add("Div", {weights, to.add("ReduceSum", {weights, to.integers({in_is_rows ? 0 : 1})})});
}

}  // namespace

std::string preprocessed(OnnxExporter& to, const Preprocessing& preprocessing) {
  const int64_t side = preprocessing.image_size;
  const OnnxAttributes to_float{{"to", onnx_type(DType::f32)}};
  const auto extent = [&](const std::string& x, int64_t axis) {
    return to.add("Gather", {to.add("Shape", {x}), to.integers({axis})});
  };
  std::string maps = to.add("Cast", {to.transposed("images", kToMaps)}, to_float);
  const std::string height = extent(maps, 2), width = extent(maps, 3);
  const bool crops = preprocessing.resize_mode == ResizeMode::crop;
  const auto shorter = static_cast<int64_t>(std::floor(static_cast<double>(side) / preprocessing.crop_pct));
  const std::string least = crops ? to.add("Min", {height, width}) : "";
  const auto resized = [&](const std::string& from) {
    if (!crops) return to.integers({side});
    return to.add("Div", {to.add("Mul", {from, to.integers({shorter})}), least});
  };
  const auto to_bytes = [&](const std::string& x) {
    return to.add("Clip", {to.add("Floor", {to.add("Add", {x, to.number(0.5F)})}), to.number(0), to.number(255)});
  };
  const Interpolation filter = preprocessing.interpolation;
  const std::string columns = resampling_matrix(to, filter, width, resized(width), true);
  maps = to_bytes(to.add("MatMul", {maps, columns}));
  const std::string rows = resampling_matrix(to, filter, height, resized(height), false);
  maps = to_bytes(to.add("MatMul", {rows, maps}));
  if (crops) {
    const std::string now = to.add("Concat", {extent(maps, 2), extent(maps, 3)}, {{"axis", int64_t{0}}});
    const std::string spare = to.add("Cast", {to.add("Sub", {now, to.integers({side})})}, to_float);
    const std::string half = to.add("Round", {to.add("Mul", {spare, to.number(0.5F)})});
    const std::string begin = to.add("Cast", {half}, {{"to", onnx_type(DType::i64)}});
    maps = to.add("Slice", {maps, begin, to.add("Add", {begin, to.integers({side})}), to.integers({2, 3})});
  }
  const std::string scaled = to.add("Div", {maps, to.number(255)});
  const std::string centred = to.add("Sub", {scaled, to.floats("preprocessing/mean", {3, 1, 1}, preprocessing.mean)});
  return to.add("Div", {centred, to.floats("preprocessing/std", {3, 1, 1}, preprocessing.std)});
}

}  // namespace convoy
