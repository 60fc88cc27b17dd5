// Trains a classifier on a folder of images and uses it, through the library.
//
//     train_folder DIR [MODEL] [EPOCHS]      DIR has one sub-folder of images a class
#include <convoy/classifier.h>
#include <convoy/error.h>
#include <convoy/train.h>

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

  convoy::TrainCallbacks callbacks;
  callbacks.on_epoch_end = [](const convoy::EpochReport& epoch) {
    std::printf("epoch %lld: loss %.4f, validation accuracy %.4f\n", static_cast<long long>(epoch.epoch + 1),
                epoch.train_loss, epoch.val ? epoch.val->top1 : 0.0);
  };
  const convoy::TrainResult result = convoy::train(recipe, callbacks);

  convoy::Classifier classifier(result.folder / "best.safetensors");
  const convoy::EvaluationReport report = classifier.evaluate(recipe.data, true);
  std::printf("%s: %.4f of %lld images right\n", classifier.architecture().c_str(), report.total.top1,
              static_cast<long long>(report.total.images));
  return 0;
} catch (const convoy::Error& error) {
  std::fprintf(stderr, "train_folder: %s\n", error.what());
  return 1;
}
