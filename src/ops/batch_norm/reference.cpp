// The plain double-precision batch norm and its gradients.
#include <algorithm>
#include <cmath>

#include "core/activation.h"
#include "ops/activation/activation.h"
#include "ops/batch_norm/batch_norm.h"

namespace convoy {
namespace {

// y = activation((x - mean) * inv_std * weight + bias + residual)
void apply(Activation activation, const ReferenceTensor& x, const ReferenceTensor& weight, const ReferenceTensor& bias,
           const ReferenceTensor& mean, const ReferenceTensor& inv_std, const ReferenceTensor& residual,
           ReferenceTensor& y) {
  for (size_t i = 0; i < x.data.size(); ++i) {
    const size_t c = i % weight.data.size();
    const double xhat = (x.data[i] - mean.data[c]) * inv_std.data[c];
    const double added = residual.type.present ? residual.data[i] : 0;
    y.data[i] = activate_reference(activation, xhat * weight.data[c] + bias.data[c] + added);
  }
}

}  // namespace

void BatchNormOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                            const StepScalars&) const {
  const std::vector<double>& x = inputs[kX].data;
  const size_t channels = inputs[kWeight].data.size();
  std::vector<double> mean = inputs[kRunningMean].data, var = inputs[kRunningVar].data;
  if (attributes_.training) {
    const auto sum_over_ranks = [this](std::span<double> values) {
      if (world_ != nullptr) world_->sum(values);
    };
    double n = static_cast<double>(x.size() / channels);
    sum_over_ranks({&n, 1});
    mean.assign(channels, 0), var.assign(channels, 0);
    for (size_t i = 0; i < x.size(); ++i) mean[i % channels] += x[i] / n;
    sum_over_ranks(mean);
    for (size_t i = 0; i < x.size(); ++i) var[i % channels] += std::pow(x[i] - mean[i % channels], 2) / n;
    sum_over_ranks(var);
    const double momentum = static_cast<double>(attributes_.momentum), unbiased = n / std::max(n - 1, 1.0);
    for (size_t c = 0; c < channels; ++c) {
      double &running_mean = inputs[kRunningMean].data[c], &running_var = inputs[kRunningVar].data[c];
      running_mean = (1 - momentum) * running_mean + momentum * mean[c];
      running_var = (1 - momentum) * running_var + momentum * unbiased * var[c];
    }
  }
  outputs[kMean].data = mean;
  for (size_t c = 0; c < channels; ++c) {
    outputs[kInvStd].data[c] = 1 / std::sqrt(var[c] + static_cast<double>(attributes_.eps));
  }
  apply(attributes_.activation, inputs[kX], inputs[kWeight], inputs[kBias], outputs[kMean], outputs[kInvStd],
        inputs[kResidual], outputs[kY]);
}

void BatchNormApplyOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                                 const StepScalars&) const {
  apply(activation_, inputs[kX], inputs[kWeight], inputs[kBias], inputs[kMean], inputs[kInvStd], inputs[kResidual],
        outputs[0]);
}

// With z = xhat * weight + bias + residual, g = grad_output * activation'(z) and averages over a channel's n values:
//     grad_x = weight * inv_std * (g - average(g) - xhat * average(g * xhat)),
// without the averages where mean and inv_std are constants.
void BatchNormGradOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                                const StepScalars&) const {
  const std::vector<double>&x = inputs[kX].data, &weight = inputs[kWeight].data, &saved = inputs[kSaved].data;
  const size_t channels = weight.size();
  std::vector<double>&grad_weight = outputs[kGradWeight].data, &grad_bias = outputs[kGradBias].data;
  std::vector<double> xhat(x.size()), g(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t c = i % channels;
    xhat[i] = (x[i] - inputs[kMean].data[c]) * inputs[kInvStd].data[c];
    double z = xhat[i] * weight[c] + inputs[kBias].data[c];
    if (inputs[kSaved].type.present) z = derivative_from_output(attributes_.activation) ? saved[i] : z + saved[i];
    g[i] = inputs[kGradOutput].data[i] * activation_derivative_reference(attributes_.activation, z);
    grad_weight[c] += g[i] * xhat[i];
    grad_bias[c] += g[i];
  }
  std::vector<double> slope = grad_weight, constant = grad_bias;
  double pixels = static_cast<double>(x.size() / channels);
  if (world_ != nullptr) {
    for (const std::span<double> sums : {std::span(slope), std::span(constant), std::span(&pixels, 1)}) {
      world_->sum(sums);
    }
  }
  const double share = attributes_.training ? 1 / pixels : 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t c = i % channels;
    const double through_statistics = share * (constant[c] + xhat[i] * slope[c]);
    const double addend = inputs[kAddend].type.present ? inputs[kAddend].data[i] : 0;
    outputs[kGradX].data[i] = weight[c] * inputs[kInvStd].data[c] * (g[i] - through_statistics) + addend;
  }
  if (inputs[kSaved].type.present) outputs[kGradResidual].data = g;
}

}  // namespace convoy
