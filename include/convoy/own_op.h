// Ops of a program's own.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "convoy/builder.h"
#include "convoy/export_macro.h"
#include "convoy/gradient.h"
#include "convoy/kernel.h"
#include "convoy/op.h"

namespace convoy {

// Makes a kind of op known, so that graphs that use it can be run, and read from model files. kernels: the CPU's, in
// order of preference, which must live as long as the program; without any, or where all refuse a node, the op's
// reference is run. Not while other threads build or plan graphs. Throws InternalError when there is an op of that
// name.
CONVOY_API void add_op(const OpType& type, std::span<const Kernel> kernels = {});

// Appends a node to the graph of the first input and returns its first output; an empty Value is an absent input.
// Throws Error when the inputs are not what the op takes.
CONVOY_API Value apply(std::shared_ptr<const Op> op, const std::vector<Value>& inputs);

}  // namespace convoy
