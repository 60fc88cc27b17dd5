// Takes arbitrary bytes for one file of an otherwise whole run folder, and draws what `convoy compare` draws. The first
// byte chooses the file.
#include <unistd.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "convoy/error.h"
#include "inference/predictions.h"
#include "report/run_charts.h"
#include "report/run_summary.h"

namespace {

constexpr std::array kFiles = {convoy::kSummaryFile, convoy::kResultsFile, convoy::kPredictionsFile};

// A run folder for each of the files, which is whole but for that file.
std::filesystem::path make_runs() {
  const auto root = std::filesystem::temp_directory_path() / ("convoy_fuzz_" + std::to_string(getpid()));
  for (const char* file : kFiles) {
    convoy::RunSummary run;
    run.folder = root / file;
    run.model = "resnet18";
    run.class_names = {"cat", "dog"};
    run.val_images = 1;
    std::filesystem::create_directories(run.folder);
    std::ofstream(run.folder / convoy::kResultsFile)
        << "epoch,lr,train_loss,train_top1,val_loss,val_top1,val_top5,seconds\n1,0.1,2,0.5,1,1,1,9\n";
    convoy::write_run_summary(run);
    convoy::write_predictions(run.folder / convoy::kPredictionsFile, run.class_names, {{.image = "1.jpg"}});
  }
  return root;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::filesystem::path root = make_runs();
  if (size == 0) return 0;
  const char* file = kFiles[data[0] % kFiles.size()];
  std::ofstream(root / file / file, std::ios::binary)
      .write(reinterpret_cast<const char*>(data + 1), static_cast<std::streamsize>(size - 1));
  try {
    const convoy::RunSummary run = convoy::read_run(root / file);
    convoy::comparison_chart({run, run});
    convoy::compare_accuracy(run, run);
  } catch (const convoy::Error&) {  // the one outcome allowed besides success
  }
  return 0;
}
