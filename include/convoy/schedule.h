// The learning rate schedules that recipes name, and how a program adds its own.
//
// Threads: names are looked up from several at once; add_schedule() may not run beside that.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "convoy/export_macro.h"

namespace convoy {

// What a recipe's `sched` may be.
CONVOY_API std::vector<std::string> schedule_names();

// Makes a schedule of the program's own known to recipes. factor(progress) is the rate over the recipe's lr after that
// share of the run, warm-up included: 0 at the first update, less than 1 at the last. It warms up where the recipe's
// warmup-epochs says so. Not while another thread uses recipes. Throws Error when the name is taken.
CONVOY_API void add_schedule(std::string name, std::function<double(double progress)> factor);

}  // namespace convoy
