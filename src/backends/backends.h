// The machines that compute graphs.
#pragma once

#include <string_view>

#include "graph/backend.h"

namespace convoy {

// The processor that the program runs on: f32 in host memory, by the kernel tables of the ops.
const Backend& cpu_backend();

// Every op by its plain double-precision reference, in host memory: slow, and exact to 1e-15 or so. For
// `convoy verify --backend reference`, and for tests to measure other backends against.
const Backend& reference_backend();

// Throws UsageError, with the nearest name, when there is none of that name.
const Backend& find_backend(std::string_view name);

}  // namespace convoy
