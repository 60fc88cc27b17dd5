// Takes arbitrary bytes for each file of a run folder that `convoy compare` reads.
#include <unistd.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "convoy/error.h"
#include "report/run_summary.h"
#include "train/predictions.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto folder = std::filesystem::temp_directory_path() / ("convoy_fuzz_" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  for (const char* name : {convoy::kSummaryFile, convoy::kResultsFile, convoy::kPredictionsFile}) {
    std::ofstream(folder / name, std::ios::binary).write(reinterpret_cast<const char*>(data), static_cast<long>(size));
  }
  const auto read_each = std::array<void (*)(), 3>{
      [] { convoy::read_run(folder); },
      [] { convoy::read_results(folder / convoy::kResultsFile); },
      [] {
        convoy::read_predictions(folder / convoy::kPredictionsFile, {"cat", "dog"});
      },
  };
  for (const auto read : read_each) {
    try {
      read();
    } catch (const convoy::Error&) {  // the one outcome allowed besides success
    }
  }
  return 0;
}
