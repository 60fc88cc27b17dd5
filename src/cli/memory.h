// What commands ask and tell about memory.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "convoy/train.h"

namespace convoy::cli {

// --memory SIZE of commands that can --train: the most to plan, in bytes.
void add_memory(CLI::App& app, std::optional<int64_t>& bytes);

// Throws UsageError where it is given to a command that does not train.
void require_train(bool train, const std::optional<int64_t>& bytes);

// A line on what is computed again, where anything is. planned_bytes: with it.
void print_repeated(const RepeatedWork& repeated, size_t planned_bytes);

}  // namespace convoy::cli
