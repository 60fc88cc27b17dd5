// Trains a classifier on a folder of images and uses it, through the library.
//
//     train_folder DIR [MODEL] [EPOCHS]      DIR has one sub-folder of images a class
#include <convoy/classifier.h>
#include <convoy/error.h>
#include <convoy/train.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::fprintf(stderr, "usage: train_folder DIR [MODEL] [EPOCHS]\n");
    return 2;
  }
  convoy::Recipe recipe;
  recipe.data = argv[1];
  recipe.model = argc > 2 ? argv[2] : "resnet9";
  recipe.epochs = argc > 3 ? std::atol(argv[3]) : 5;
  recipe.val_split = 0.2;
  recipe.experiment = "example";

  // Every callback is optional. An exception in one ends the run; the flag ends it in order, everything saved.
  std::atomic<bool> stop = false;
  convoy::TrainCallbacks callbacks;
  callbacks.on_train_begin = [](const convoy::TrainStart& start) {
    std::printf("%s: %lld images for training, %lld for validation\n", start.recipe.model.c_str(),
                static_cast<long long>(start.train_images), static_cast<long long>(start.val_images));
  };
  callbacks.on_epoch_begin = [](const convoy::EpochStart& epoch) {
    std::printf("epoch %lld: learning rate %g\n", static_cast<long long>(epoch.epoch + 1), epoch.lr);
  };
  callbacks.on_step_end = [&stop](const convoy::StepReport& step) { stop = step.seconds > 3600; };
  callbacks.on_epoch_end = [](const convoy::EpochReport& epoch) {
    std::printf("epoch %lld: loss %.4f, validation accuracy %.4f\n", static_cast<long long>(epoch.epoch + 1),
                epoch.train_loss, epoch.val ? epoch.val->top1 : 0.0);
  };
  callbacks.on_train_end = [](const convoy::TrainResult& result) {
    std::printf("best epoch: %lld\n", static_cast<long long>(result.best_epoch + 1));
  };
  const convoy::TrainResult result = convoy::train(recipe, callbacks, &stop);

  convoy::Classifier classifier(result.folder / "best.safetensors");
  const convoy::EvaluationReport report = classifier.evaluate(recipe.data);
  std::printf("%s: %.4f of %s right\n", classifier.architecture().c_str(), report.total.top1, report.evaluated.c_str());
  return 0;
} catch (const convoy::Error& error) {
  std::fprintf(stderr, "train_folder: %s\n", error.what());
  return 1;
}
