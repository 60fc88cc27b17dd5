// What this process has used so far, and its descriptors.
#pragma once

#include <cstdint>

namespace convoy {

// Processor time of all threads, the system's work for them included.
double process_cpu_seconds();

// The most physical memory that was in use at once.
int64_t peak_resident_bytes();

// The physical memory that is in use; 0 where the system does not tell.
int64_t resident_bytes();

// Connects those of the descriptors 0, 1 and 2 that are closed to /dev/null: the next files to be opened would take
// their places, and get what is printed. False where that fails.
bool open_standard_descriptors();

// Raises the number of files that this process may have open where it must, as far as the system allows, so that it can
// open `more` of them. False where that does not suffice.
bool allow_open_files(uint64_t more);

}  // namespace convoy
