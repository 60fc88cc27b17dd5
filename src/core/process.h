// What this process has used so far.
#pragma once

#include <cstdint>

namespace convoy {

// Processor time of all threads, the system's work for them included.
double process_cpu_seconds();

// The most physical memory that was in use at once.
int64_t peak_resident_bytes();

}  // namespace convoy
