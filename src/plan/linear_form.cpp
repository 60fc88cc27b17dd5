#include "plan/linear_form.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <span>

namespace convoy {
namespace {

// A kernel {h, w, channels of the input in a group, out} and a bias {out}.
struct DenseKernel {
  Size2 size = 1;
  int64_t in = 0, out = 0;
  std::vector<double> weight, bias;
};

std::vector<double> doubles(const WeightSource& source, const std::string& name, int64_t elements) {
  std::vector<float> values(static_cast<size_t>(elements));
  source(name, values);
  return {values.begin(), values.end()};
}

// Zeros where the form has no bias.
std::vector<double> bias_of(const LinearForm& form, const WeightSource& source) {
  if (!form.bias.empty()) return doubles(source, form.bias, form.out_channels);
  return std::vector<double>(static_cast<size_t>(form.out_channels), 0);
}

// Output channel o takes channel o of the input: of those in its group, number o mod in.
DenseKernel identity_kernel(int64_t channels, int64_t groups) {
  DenseKernel kernel{.size = 1, .in = channels / groups, .out = channels, .weight = {}, .bias = {}};
  kernel.weight.assign(static_cast<size_t>(kernel.in * channels), 0);
  kernel.bias.assign(static_cast<size_t>(channels), 0);
  for (int64_t o = 0; o < channels; ++o) kernel.weight[static_cast<size_t>(o % kernel.in * channels + o)] = 1;
  return kernel;
}

// kernel * scale[o] + shift[o] on every output channel.
void apply_affine(DenseKernel& kernel, const std::vector<double>& scale, const std::vector<double>& shift) {
  const size_t out = kernel.bias.size();
  for (size_t row = 0; row < kernel.weight.size(); row += out) {
    for (size_t o = 0; o < out; ++o) kernel.weight[row + o] *= scale[o];
  }
  for (size_t o = 0; o < out; ++o) kernel.bias[o] = kernel.bias[o] * scale[o] + shift[o];
}

// Of a norm or a scale.
void apply_channels(const LinearForm& form, const WeightSource& source, DenseKernel& kernel) {
  const auto read = [&](const std::string& name) { return doubles(source, name, form.out_channels); };
  std::vector<double> scale = read(form.weight), shift(scale.size(), 0);
  if (form.kind == LinearForm::Kind::scale) return apply_affine(kernel, scale, shift);
  shift = read(form.bias);
  const std::vector<double> mean = read(form.mean), variance = read(form.variance);
  for (size_t o = 0; o < scale.size(); ++o) {
    scale[o] /= std::sqrt(variance[o] + static_cast<double>(form.eps));
    shift[o] -= mean[o] * scale[o];
  }
  apply_affine(kernel, scale, shift);
}

// Adds `part`, whose first element lies at `place` of `whole`.
void add_at(DenseKernel& whole, const DenseKernel& part, KernelPlace place) {
  const int64_t row = part.in * part.out;
  for (int64_t y = 0; y < part.size.h; ++y) {
    for (int64_t x = 0; x < part.size.w; ++x) {
      const int64_t into = ((place.h + y) * whole.size.w + place.w + x) * row, from = (y * part.size.w + x) * row;
      for (int64_t i = 0; i < row; ++i)
        whole.weight[static_cast<size_t>(into + i)] += part.weight[static_cast<size_t>(from + i)];
    }
  }
  for (size_t o = 0; o < whole.bias.size(); ++o) whole.bias[o] += part.bias[o];
}

// The matrix {in, out} behind the kernel.
DenseKernel times_matrix(const DenseKernel& kernel, const std::vector<double>& matrix, int64_t out) {
  DenseKernel product{.size = kernel.size, .in = kernel.in, .out = out, .weight = {}, .bias = {}};
  const auto multiply = [&](const std::vector<double>& rows) {
    std::vector<double> result(rows.size() / static_cast<size_t>(kernel.out) * static_cast<size_t>(out), 0);
    for (size_t r = 0; r < rows.size(); ++r) {
      const size_t row = r / static_cast<size_t>(kernel.out), middle = r % static_cast<size_t>(kernel.out);
      const auto columns = static_cast<size_t>(out);
      for (size_t o = 0; o < columns; ++o) result[row * columns + o] += rows[r] * matrix[middle * columns + o];
    }
    return result;
  };
  product.weight = multiply(kernel.weight);
  product.bias = multiply(kernel.bias);
  return product;
}

DenseKernel evaluate_in_groups(const LinearForm& form, const WeightSource& source, int64_t groups) {
  const auto part = [&](size_t i) { return evaluate_in_groups(*form.parts[i], source, groups); };
  switch (form.kind) {
    case LinearForm::Kind::convolution: {
      const int64_t elements = form.conv.kernel.h * form.conv.kernel.w * form.group_channels * form.out_channels;
      return {form.conv.kernel, form.group_channels, form.out_channels, doubles(source, form.weight, elements),
              bias_of(form, source)};
    }
    case LinearForm::Kind::identity: return identity_kernel(form.out_channels, groups);
    case LinearForm::Kind::norm:
    case LinearForm::Kind::scale: {
      DenseKernel kernel = part(0);
      apply_channels(form, source, kernel);
      return kernel;
    }
    case LinearForm::Kind::parallel: {
      DenseKernel kernel{form.conv.kernel, form.group_channels, form.out_channels, {}, {}};
      kernel.weight.assign(static_cast<size_t>(kernel.size.h * kernel.size.w * kernel.in * kernel.out), 0);
      kernel.bias.assign(static_cast<size_t>(kernel.out), 0);
      for (size_t i = 0; i < form.parts.size(); ++i) add_at(kernel, part(i), place_in(form.conv, form.parts[i]->conv));
      return kernel;
    }
    case LinearForm::Kind::pointwise: {
      const DenseKernel first = part(0);
      DenseKernel kernel =
          times_matrix(first, doubles(source, form.weight, first.out * form.out_channels), form.out_channels);
      std::ranges::transform(kernel.bias, bias_of(form, source), kernel.bias.begin(), std::plus());
      return kernel;
    }
  }
  return {};
}

// The convolution that norms and scales alone are applied to; null where the form has other parts.
const LinearForm* only_convolution(const LinearForm& form) {
  using Kind = LinearForm::Kind;
  if (form.kind == Kind::norm || form.kind == Kind::scale) return only_convolution(*form.parts.front());
  return form.kind == Kind::convolution ? &form : nullptr;
}

// What norms and scales make of each output channel of their convolution: a factor, as the weight, and the bias.
DenseKernel channels_of(const LinearForm& form, const WeightSource& source) {
  if (form.kind == LinearForm::Kind::convolution) {
    return {1, 1, form.out_channels, std::vector<double>(static_cast<size_t>(form.out_channels), 1),
            bias_of(form, source)};
  }
  DenseKernel channels = channels_of(*form.parts.front(), source);
  apply_channels(form, source, channels);
  return channels;
}

void narrow(const std::vector<double>& from, std::span<float> into) {
  std::ranges::transform(from, into.begin(), [](double x) { return static_cast<float>(x); });
}

// Where a kernel begins along an axis; below 0 when it does not lie within the whole.
int64_t offset_along(int64_t kernel, int64_t padding, int64_t dilation, int64_t whole_kernel, int64_t whole_padding,
                     int64_t whole_dilation) {
  if (kernel > 1 && dilation != whole_dilation) return -1;
  const int64_t pixels = whole_padding - padding;
  if (pixels < 0 || pixels % whole_dilation != 0) return -1;
  const int64_t offset = pixels / whole_dilation;
  return offset + kernel <= whole_kernel ? offset : -1;
}

}  // namespace

bool LinearForm::is_identity() const { return weights().empty(); }

std::vector<std::string> LinearForm::weights() const {
  std::vector<std::string> names;
  for (const auto& part : parts) {
    const std::vector<std::string> theirs = part->weights();
    names.insert(names.end(), theirs.begin(), theirs.end());
  }
  if (kind == Kind::convolution || kind == Kind::pointwise) names.push_back(weight);
  return names;
}

KernelPlace place_in(const ConvAttributes& whole, const ConvAttributes& part) {
  if (!(whole.stride == part.stride)) return {};
  return {
      offset_along(part.kernel.h, part.padding.h, part.dilation.h, whole.kernel.h, whole.padding.h, whole.dilation.h),
      offset_along(part.kernel.w, part.padding.w, part.dilation.w, whole.kernel.w, whole.padding.w, whole.dilation.w)};
}

void evaluate(const LinearForm& form, const WeightSource& source, std::span<float> weight, std::span<float> bias) {
  if (const LinearForm* convolution = only_convolution(form)) {
    const DenseKernel channels = channels_of(form, source);
    source(convolution->weight, weight);
    const size_t out = bias.size();
    for (size_t row = 0; row < weight.size(); row += out) {
      for (size_t o = 0; o < out; ++o) {
        weight[row + o] = static_cast<float>(static_cast<double>(weight[row + o]) * channels.weight[o]);
      }
    }
    return narrow(channels.bias, bias);
  }
  const DenseKernel kernel = evaluate_in_groups(form, source, form.conv.groups);
  narrow(kernel.weight, weight);
  narrow(kernel.bias, bias);
}

}  // namespace convoy
