#include "cli/trained.h"

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/output.h"
#include "convoy/error.h"
#include "inference/onnx_file.h"
#include "train/run_folder.h"

namespace convoy::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRuns = "runs";

fs::path newest_run() {
  fs::path newest;
  std::error_code ignored;
  for (const auto& run : fs::directory_iterator(kRuns, ignored)) {
    const fs::path file = model_in(run.path());
    if (file.empty()) continue;
    if (newest.empty() || fs::last_write_time(file, ignored) > fs::last_write_time(newest, ignored)) newest = file;
  }
  if (newest.empty())
    throw FileError(fmt::format("no {}/*/{} here; name one with --checkpoint FILE", kRuns, kBestFile));
  return newest;
}

}  // namespace

fs::path named_model_file(const fs::path& path) {
  if (is_onnx_file(path)) {
    throw UsageError(
        fmt::format("{}: expected a model file, got an ONNX model; `convoy import {} --output "
                    "MODEL.safetensors` makes one of it",
                    path.string(), path.string()));
  }
  const fs::path file = model_file_of(path);
  if (file != path && file.filename() != kBestFile) {
    print_error("note", fmt::format("{} has no {}; {} is taken", path.string(), kBestFile, kLastFile));
  }
  return file;
}

void TrainedFlags::declare(CLI::App& app) {
  app.add_option("--checkpoint", checkpoint, "A model file or a run folder [that of the newest run under runs/]")
      ->type_name("FILE");
  app.add_option("-b,--batch-size", options.batch_size, fmt::format("Images at once [{}]", options.batch_size))
      ->check(CLI::Range(1, 65536))
      ->type_name("N");
  app.add_option("-j,--workers", options.workers, fmt::format("Threads that read images [{}]", options.workers))
      ->check(CLI::Range(0, 4096))
      ->type_name("N");
  add_threads(app);
  app.add_option("--tta", tta,
                 "Test-time augmentation: average over the mirrored image, and over both shifted by a pixel [none]")
      ->check(one_of("augmentation", {"none", "hflip", "hflip-shift"}));
  add_precision(app, options.precision);
  app.add_flag("--exact", options.exact, "Leave out kernels that trade some of fp32's exactness for speed");
}

fs::path TrainedFlags::model_file() const {
  if (checkpoint.empty()) return newest_run();
  return named_model_file(checkpoint);
}

Classifier TrainedFlags::open(const fs::path& model_file) const {
  ClassifierOptions chosen = options;
  if (tta != "none") chosen.tta = tta == "hflip" ? Tta::hflip : Tta::hflip_shift;
  return Classifier(model_file, chosen);
}

}  // namespace convoy::cli
