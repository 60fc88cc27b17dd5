// What the folder of an op gives, besides the builder functions of convoy/ops.h.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "convoy/kernel.h"

namespace convoy {

// The kinds of ops: those that the functions `std::vector<OpType> <op>_ops()` of src/ops/<op>/<op>.cpp list.
std::span<const OpType> op_types();
// Adds one. Throws InternalError when there is one of that name.
void add_op_type(const OpType& type);
// Throws Error, with the nearest name, when there is none of that name.
const OpType& find_op_type(std::string_view name);

// The CPU's kernels of all ops: those that the functions `std::vector<KernelTable> <op>_kernels()` of
// src/ops/<op>/<op>_kernels.cpp list.
std::span<const KernelTable> cpu_kernel_tables();

}  // namespace convoy
