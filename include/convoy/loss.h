// The losses that recipes name, and how a program adds its own.
//
// Threads: names are looked up from several at once; add_loss() may not run beside that.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "convoy/builder.h"
#include "convoy/export_macro.h"

namespace convoy {

// What a recipe's `loss` may be:
//   cross-entropy  as cross_entropy() of convoy/ops.h
//   bce            binary cross entropy of every class by itself, the mean over samples and classes: timm's --bce-loss
// Runs are trained on it, find_learning_rate() looks at it, and EpochReport::train_loss is its mean. Validation reports
// cross entropy whatever the loss is.
CONVOY_API std::vector<std::string> loss_names();

// Adds the nodes of a loss to the graph of the logits and returns a scalar, Shape{}, which is a mean over the samples.
// Logits and targets are {N, C}; targets are probabilities, one-hot unless images are mixed, and `smoothing` is what
// the recipe says. Made of the functions of convoy/ops.h and ops of the program's own (convoy/own_op.h), without
// parameters.
using LossFunction = std::function<Value(Value logits, Value targets, float smoothing)>;

// Makes a loss of the program's own known to recipes. Not while another thread uses recipes. Throws Error when the name
// is taken.
CONVOY_API void add_loss(std::string name, LossFunction loss);

}  // namespace convoy
