// `convoy predict IMAGE...`: class names and probabilities of images.
#include <memory>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/trained.h"

namespace convoy::cli {
namespace {

struct Options {
  TrainedFlags trained;
  std::vector<std::string> images;
  int top_k = 3;
  bool json = false;
};

nlohmann::ordered_json to_json(const ImagePredictions& image) {
  nlohmann::ordered_json json = {{"image", image.image}};
  if (!image.error.empty()) {
    json["error"] = image.error;
    return json;
  }
  json["classes"] = nlohmann::ordered_json::array();
  for (const Prediction& prediction : image.classes) {
    json["classes"].push_back(
        {{"class", prediction.class_name}, {"index", prediction.class_index}, {"probability", prediction.probability}});
  }
  return json;
}

void print_image(const ImagePredictions& image) {
  std::string line = image.image + ":";
  for (const Prediction& prediction : image.classes) {
    line += fmt::format("  {} {:.3f}", prediction.class_name, prediction.probability);
  }
  print("{}\n", line);
}

int run(const Options& options) {
  const std::filesystem::path model = options.trained.model_file();
  Classifier classifier = options.trained.open(model);
  if (options.trained.checkpoint.empty() && !options.json) print("model: {}\n", model.string());
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  bool all_readable = true;
  classifier.predict({options.images.begin(), options.images.end()}, options.top_k, [&](const ImagePredictions& image) {
    if (!image.error.empty()) {
      all_readable = false;
      print_error("convoy predict", image.error);
    }
    if (options.json) {
      json.push_back(to_json(image));
    } else if (image.error.empty()) {
      print_image(image);
    }
  });
  if (options.json) print_json(json);
  return all_readable ? 0 : 1;
}

std::function<int()> declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("IMAGE", options->images, "Images, and folders of them")->required()->type_name("FILE");
  options->trained.declare(app);
  app.add_option("-k,--top-k", options->top_k,
                 fmt::format("Classes to show, the most probable first [{}]", options->top_k))
      ->check(CLI::Range(1, 1000000))
      ->type_name("N");
  app.add_flag("--json", options->json, "Print a JSON array with an object for each image");
  return [options] { return run(*options); };
}

}  // namespace

const Command kPredict = {
    "predict",
    "Classify images with a trained network",
    "  convoy predict photo.jpg\n"
    "  convoy predict new/ --checkpoint runs/birds/best.safetensors --top-k 1\n"
    "  convoy predict new/*.jpg --json\n"
    "An image that cannot be read is named on standard error, the others are classified, and the exit status is 1.",
    declare,
};

}  // namespace convoy::cli
