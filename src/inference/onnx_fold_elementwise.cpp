// Ops that compute each element from those at its place.
#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <limits>
#include <type_traits>

#include "convoy/dtype.h"
#include "formats/encode.h"
#include "formats/onnx_fields.h"
#include "inference/onnx_fold_call.h"

namespace convoy::folding {
namespace {

template <class T>
concept Real = std::same_as<T, float>;
template <class T>
concept Whole = std::same_as<T, int64_t>;

// Comparisons give 0 and 1.
template <class T>
using Stored = std::conditional_t<Real<T>, float, int64_t>;

constexpr auto kLowest = std::numeric_limits<int64_t>::min();
constexpr auto kHighest = std::numeric_limits<int64_t>::max();

uint64_t bits(int64_t value) { return static_cast<uint64_t>(value); }
int64_t wrapped(uint64_t value) { return static_cast<int64_t>(value); }
int64_t negative(int64_t value) { return wrapped(0 - bits(value)); }

int64_t truncated(double value) {
  if (std::isnan(value)) return 0;
  if (value >= 0x1p63) return kHighest;
  return value < -0x1p63 ? kLowest : static_cast<int64_t>(value);
}

template <class Function>
OnnxConstant map(const Call& call, const OnnxConstant& from, const Function& function) {
  return std::visit(
      [&]<class T>(const std::vector<T>& values) -> OnnxConstant {
        if constexpr (std::is_invocable_v<Function, T>) {
          std::vector<Stored<std::invoke_result_t<Function, T>>> mapped(values.size());
          for (size_t i = 0; i < values.size(); ++i) mapped[i] = function(values[i]);
          return {from.shape, std::move(mapped)};
        } else {
          call.fail("expected {}, got {}", Real<T> ? "integers" : "floats", Real<T> ? "floats" : "integers");
        }
      },
      from.values);
}

template <class Function>
OnnxConstant combine(const Call& call, const OnnxConstant& left, const OnnxConstant& right, const Function& function) {
  const Integers shape = call.broadcast(left.shape, right.shape);
  OnnxConstant wide_left, wide_right;
  if (left.shape != shape) wide_left = expand(left, shape);
  if (right.shape != shape) wide_right = expand(right, shape);
  return std::visit(
      [&]<class A, class B>(const std::vector<A>& a, const std::vector<B>& b) -> OnnxConstant {
        if constexpr (std::is_invocable_v<Function, A, B>) {
          std::vector<Stored<std::invoke_result_t<Function, A, B>>> values(a.size());
          for (size_t i = 0; i < a.size(); ++i) values[i] = function(a[i], b[i]);
          return {shape, std::move(values)};
        } else {
          call.fail("expected inputs of types that it combines, got {} and {}", Real<A> ? "floats" : "integers",
                    Real<B> ? "floats" : "integers");
        }
      },
      left.shape == shape ? left.values : wide_left.values, right.shape == shape ? right.values : wide_right.values);
}

template <auto function>
Outputs unary(const Call& call) {
  Outputs outputs;
  outputs.push_back(map(call, call.input(0), function));
  return outputs;
}

template <auto function>
Outputs binary(const Call& call) {
  Outputs outputs;
  outputs.push_back(combine(call, call.input(0), call.input(1), function));
  return outputs;
}

// Of one input or more.
template <auto function>
Outputs chain(const Call& call) {
  Outputs outputs;
  outputs.push_back(call.input(0));
  for (size_t i = 1; i < call.num_inputs(); ++i) outputs[0] = combine(call, outputs[0], call.input(i), function);
  return outputs;
}

constexpr auto kAbs = []<class T>(T x) -> T {
  if constexpr (Whole<T>) return x < 0 ? negative(x) : x;
  return std::abs(x);
};

constexpr auto kAdd = []<class T>(T a, T b) -> T {
  if constexpr (Whole<T>) return wrapped(bits(a) + bits(b));
  return a + b;
};

constexpr auto kMul = []<class T>(T a, T b) -> T {
  if constexpr (Whole<T>) return wrapped(bits(a) * bits(b));
  return a * b;
};

constexpr auto kSub = []<class T>(T a, T b) -> T {
  if constexpr (Whole<T>) return wrapped(bits(a) - bits(b));
  return a - b;
};

constexpr auto kNeg = []<class T>(T x) -> T {
  if constexpr (Whole<T>) return negative(x);
  return -x;
};

// NaN wins.
constexpr auto kMax = []<class T>(T a, T b) -> T { return a >= b || a != a ? a : b; };
constexpr auto kMin = []<class T>(T a, T b) -> T { return a <= b || a != a ? a : b; };

constexpr auto kSign = []<class T>(T x) -> T { return x > 0 ? T{1} : x < 0 ? T{-1} : x; };

constexpr auto kDiv = []<class T>(T a, T b) -> T {
  if constexpr (Whole<T>) return b == -1 ? negative(a) : a / b;
  return a / b;
};

// The sign is the divisor's.
constexpr auto kMod = [](Whole auto a, Whole auto b) -> int64_t {
  if (b == -1) return 0;
  const int64_t rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
};

// The sign is the dividend's.
constexpr auto kFmod = []<class T>(T a, T b) -> T {
  if constexpr (Whole<T>) {
    return b == -1 ? 0 : a % b;
  } else {
    return std::fmod(a, b);
  }
};

int64_t integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) return truncated(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  uint64_t power = 1;
  for (uint64_t square = bits(base); exponent != 0; exponent /= 2, square *= square) {
    if (exponent % 2 != 0) power *= square;
  }
  return wrapped(power);
}

constexpr auto kPow = []<class A, class B>(A base, B exponent) -> A {
  if constexpr (Whole<A> && Whole<B>) {
    return integer_power(base, exponent);
  } else if constexpr (Whole<A>) {
    return truncated(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  } else {
    return std::pow(base, static_cast<float>(exponent));
  }
};

void refuse_zero_divisors(const Call& call) {
  const OnnxConstant& divisors = call.input(1);
  if (divisors.is_integer() && std::ranges::count(divisors.integers(), 0) != 0) {
    call.fail("expected divisors other than 0, got 0");
  }
}

OnnxConstant divide(const Call& call) {
  refuse_zero_divisors(call);
  return combine(call, call.input(0), call.input(1), kDiv);
}

OnnxConstant modulo(const Call& call) {
  refuse_zero_divisors(call);
  if (call.get<int64_t>("fmod", 0) != 0) return combine(call, call.input(0), call.input(1), kFmod);
  if (!call.input(0).is_integer()) call.fail("expected fmod 1 for floats, got 0");
  return combine(call, call.input(0), call.input(1), kMod);
}

int64_t wrapped_to(const Call& call, DType type, int64_t value) {
  switch (type) {
    case DType::i8: return static_cast<int8_t>(value);
    case DType::u8: return static_cast<uint8_t>(value);
    case DType::i16: return static_cast<int16_t>(value);
    case DType::u16: return static_cast<uint16_t>(value);
    case DType::i32: return static_cast<int32_t>(value);
    case DType::u32: return static_cast<uint32_t>(value);
    case DType::u64:
      if (value < 0) call.fail("expected no negative numbers for U64, got {}", value);
      return value;
    default: return value;
  }
}

OnnxConstant cast_to(const Call& call, DType type) {
  const OnnxConstant& from = call.input(0);
  if (type == DType::f16) {
    return map(call, from, [](auto x) { return half_to_float(float_to_half(static_cast<float>(x))); });
  }
  if (type == DType::bf16) {
    return map(call, from, [](auto x) { return bfloat_to_float(float_to_bfloat(static_cast<float>(x))); });
  }
  if (is_floating(type)) return map(call, from, [](auto x) { return static_cast<float>(x); });
  if (type == DType::boolean) return map(call, from, [](auto x) { return x != 0; });
  return map(call, from, [&]<class T>(T x) {
    if constexpr (Whole<T>) {
      return wrapped_to(call, type, x);
    } else {
      return wrapped_to(call, type, truncated(x));
    }
  });
}

OnnxConstant cast(const Call& call) {
  const int64_t* to = call.find<int64_t>("to");
  if (to == nullptr) call.fail("expected an attribute to, got none");
  for (int type = 0; type <= static_cast<int>(DType::boolean); ++type) {
    const auto wanted = static_cast<DType>(type);
    if (wanted == DType::f8_e4m3 || wanted == DType::f8_e5m2) continue;
    if (onnx::type_number(wanted) == *to) return cast_to(call, wanted);
  }
  call.fail("expected a type of integers, float, double, float16 or bfloat16, got {}", *to);
}

OnnxConstant cast_like(const Call& call) { return cast_to(call, call.input(1).is_integer() ? DType::i64 : DType::f32); }

// The bound of Clip at an input or, in older versions, an attribute.
std::optional<OnnxConstant> bound(const Call& call, std::string_view name, size_t index) {
  if (!call.has(index)) {
    const float* value = call.find<float>(name);
    return value == nullptr ? std::nullopt : std::optional(OnnxConstant{{}, Floats{*value}});
  }
  if (product(call.input(index).shape) != 1) {
    call.fail("expected one number as {}, got shape {}", name, to_text(call.input(index).shape));
  }
  return OnnxConstant{{}, call.input(index).values};
}

OnnxConstant clip(const Call& call) {
  OnnxConstant clipped = call.input(0);
  if (const auto least = bound(call, "min", 1)) clipped = combine(call, clipped, *least, kMax);
  if (const auto most = bound(call, "max", 2)) clipped = combine(call, clipped, *most, kMin);
  return clipped;
}

// Scale or zero point for all elements, or for each place along the axis, with the shape that broadcasts so.
OnnxConstant along(const Call& call, const OnnxConstant& parameter, const Integers& shape) {
  OnnxConstant wide = parameter;
  if (parameter.shape.size() > 1 || call.get<int64_t>("block_size", 0) != 0) {
    call.fail("expected one scale, or one for each place along an axis, got shape {}", to_text(parameter.shape));
  }
  wide.shape.clear();
  if (product(parameter.shape) == 1) return wide;
  const size_t axis = call.axis(call.get<int64_t>("axis", 1), shape.size());
  if (parameter.shape[0] != shape[axis]) {
    call.fail("expected {} numbers along axis {}, got {}", shape[axis], axis, parameter.shape[0]);
  }
  wide.shape.assign(shape.size(), 1);
  wide.shape[axis] = shape[axis];
  return wide;
}

OnnxConstant dequantize(const Call& call) {
  call.integers(0);
  call.floats(1);
  OnnxConstant x = call.input(0);
  const Integers shape = x.shape;
  if (call.has(2)) x = combine(call, x, along(call, call.input(2), shape), kSub);
  const auto scaled = [](Whole auto value, Real auto scale) {
    return static_cast<float>(static_cast<double>(value) * static_cast<double>(scale));
  };
  return combine(call, x, along(call, call.input(1), shape), scaled);
}

OnnxConstant where(const Call& call) {
  call.integers(0);
  const OnnxConstant &condition = call.input(0), &yes = call.input(1), &no = call.input(2);
  if (yes.is_integer() != no.is_integer()) call.fail("expected two inputs of one type, got floats and integers");
  const Integers shape = call.broadcast(condition.shape, call.broadcast(yes.shape, no.shape));
  const OnnxConstant chosen = expand(condition, shape);
  const OnnxConstant wide_yes = expand(yes, shape);
  OnnxConstant result = expand(no, shape);
  std::visit(
      [&]<class Values>(Values& values) {
        const Values& others = std::get<Values>(wide_yes.values);
        for (size_t i = 0; i < values.size(); ++i) {
          if (chosen.integers()[i] != 0) values[i] = others[i];
        }
      },
      result.values);
  return result;
}

constexpr std::array kFolds{
    Fold{"Abs", unary<kAbs>},
    Fold{"Add", binary<kAdd>},
    Fold{"And", binary<[](Whole auto a, Whole auto b) { return a != 0 && b != 0; }>},
    Fold{"Cast", single<cast>},
    Fold{"CastLike", single<cast_like>},
    Fold{"Ceil", unary<[](Real auto x) { return std::ceil(x); }>},
    Fold{"Clip", single<clip>},
    Fold{"Cos", unary<[](Real auto x) { return std::cos(x); }>},
    Fold{"DequantizeLinear", single<dequantize>},
    Fold{"Div", single<divide>},
    Fold{"Equal", binary<[]<class T>(T a, T b) { return a == b; }>},
    Fold{"Erf", unary<[](Real auto x) { return std::erf(x); }>},
    Fold{"Exp", unary<[](Real auto x) { return std::exp(x); }>},
    Fold{"Floor", unary<[](Real auto x) { return std::floor(x); }>},
    Fold{"Greater", binary<[]<class T>(T a, T b) { return b < a; }>},
    Fold{"GreaterOrEqual", binary<[]<class T>(T a, T b) { return a >= b; }>},
    Fold{"Less", binary<[]<class T>(T a, T b) { return a < b; }>},
    Fold{"LessOrEqual", binary<[]<class T>(T a, T b) { return a <= b; }>},
    Fold{"Log", unary<[](Real auto x) { return std::log(x); }>},
    Fold{"Max", chain<kMax>},
    Fold{"Min", chain<kMin>},
    Fold{"Mod", single<modulo>},
    Fold{"Mul", binary<kMul>},
    Fold{"Neg", unary<kNeg>},
    Fold{"Not", unary<[](Whole auto x) { return x == 0; }>},
    Fold{"Or", binary<[](Whole auto a, Whole auto b) { return a != 0 || b != 0; }>},
    Fold{"Pow", binary<kPow>},
    Fold{"Reciprocal", unary<[](Real auto x) { return 1 / x; }>},
    Fold{"Relu", unary<[]<class T>(T x) { return x < 0 ? T{0} : x; }>},
    Fold{"Sigmoid", unary<[](Real auto x) { return 1 / (1 + std::exp(-x)); }>},
    Fold{"Sign", unary<kSign>},
    Fold{"Sin", unary<[](Real auto x) { return std::sin(x); }>},
    Fold{"Sqrt", unary<[](Real auto x) { return std::sqrt(x); }>},
    Fold{"Sub", binary<kSub>},
    Fold{"Sum", chain<kAdd>},
    Fold{"Tanh", unary<[](Real auto x) { return std::tanh(x); }>},
    Fold{"Where", single<where>},
    Fold{"Xor", binary<[](Whole auto a, Whole auto b) { return (a != 0) != (b != 0); }>},
};

}  // namespace

std::span<const Fold> elementwise_folds() { return kFolds; }

}  // namespace convoy::folding
