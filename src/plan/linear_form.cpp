#include "plan/linear_form.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace convoy {
namespace {

std::vector<double> doubles(const Variables& variables, const std::string& name) {
  const Variables::Variable& variable = variables.at(name);
  return {variable.floats(), variable.floats() + variable.shape.elements()};
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

void apply_norm(const LinearForm& form, const Variables& variables, DenseKernel& kernel) {
  std::vector<double> scale = doubles(variables, form.weight), shift = doubles(variables, form.bias);
  const std::vector<double> mean = doubles(variables, form.mean), variance = doubles(variables, form.variance);
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

DenseKernel evaluate_in_groups(const LinearForm& form, const Variables& variables, int64_t groups) {
  const auto part = [&](size_t i) { return evaluate_in_groups(*form.parts[i], variables, groups); };
  switch (form.kind) {
    case LinearForm::Kind::convolution: {
      DenseKernel kernel{form.conv.kernel, form.group_channels, form.out_channels, doubles(variables, form.weight), {}};
      kernel.bias.assign(static_cast<size_t>(form.out_channels), 0);
      if (!form.bias.empty()) kernel.bias = doubles(variables, form.bias);
      return kernel;
    }
    case LinearForm::Kind::identity: return identity_kernel(form.out_channels, groups);
    case LinearForm::Kind::norm: {
      DenseKernel kernel = part(0);
      apply_norm(form, variables, kernel);
      return kernel;
    }
    case LinearForm::Kind::scale: {
      DenseKernel kernel = part(0);
      const std::vector<double> scale = doubles(variables, form.weight);
      apply_affine(kernel, scale, std::vector<double>(scale.size(), 0));
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
      DenseKernel kernel = times_matrix(part(0), doubles(variables, form.weight), form.out_channels);
      if (!form.bias.empty()) {
        const std::vector<double> bias = doubles(variables, form.bias);
        std::ranges::transform(kernel.bias, bias, kernel.bias.begin(), std::plus());
      }
      return kernel;
    }
  }
  return {};
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

DenseKernel evaluate(const LinearForm& form, const Variables& variables) {
  return evaluate_in_groups(form, variables, form.conv.groups);
}

}  // namespace convoy
