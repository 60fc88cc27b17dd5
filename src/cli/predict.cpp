// `convoy predict IMAGE...`: class names and probabilities of images.
#include <algorithm>
#include <fstream>
#include <memory>
#include <optional>
#include <set>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/trained.h"
#include "convoy/error.h"
#include "formats/atomic_file.h"
#include "formats/csv_table.h"
#include "report/output_file.h"
#include "report/prediction_picture.h"

namespace convoy::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  TrainedFlags trained;
  std::vector<std::string> images;
  int top_k = 3;
  bool json = false;
  std::string csv;
  std::string pictures;
};

nlohmann::ordered_json to_json(const ImagePredictions& image, const std::string& picture) {
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
  if (!image.damage.empty()) json["damage"] = image.damage;
  if (!picture.empty()) json["picture"] = picture;
  return json;
}

void print_image(const ImagePredictions& image) {
  std::string line = image.image + ":";
  for (const Prediction& prediction : image.classes) {
    line += fmt::format("  {} {:.3f}", prediction.class_name, prediction.probability);
  }
  print("{}\n", line);
}

// A row for each image: its name, its classes and their probabilities, and why it could not be read.
class PredictionTable {
 public:
  // Throws Error when `file` has something in it that is no such table, as a photo that a shell put behind --csv.
  PredictionTable(const fs::path& file, size_t classes) : classes_(classes), file_(open(file)) {
    std::vector<std::string> names = {kFirst};
    for (size_t i = 1; i <= classes; ++i) {
      names.push_back(fmt::format("class_{}", i));
      names.push_back(fmt::format("probability_{}", i));
    }
    names.emplace_back("error");
    file_.append(csv_row(names));
  }

  void add(const ImagePredictions& image) {
    std::vector<std::string> cells = {image.image};
    for (size_t i = 0; i < classes_; ++i) {
      const bool is_there = i < image.classes.size();
      cells.push_back(is_there ? image.classes[i].class_name : "");
      cells.push_back(is_there ? fmt::format("{:.9g}", image.classes[i].probability) : "");
    }
    cells.push_back(image.error);
    file_.append(csv_row(cells));
  }

 private:
  static constexpr const char* kFirst = "image";

  static OutputFile open(const fs::path& file) {
    std::string start(std::string_view(kFirst).size() + 1, '\0');
    std::ifstream stream(file, std::ios::binary);
    stream.read(start.data(), static_cast<std::streamsize>(start.size()));
    if (fs::is_regular_file(file) && stream.gcount() > 0 && start != std::string(kFirst) + ',') {
      throw FileError(fmt::format("{}: is there and is no table of predictions; name another file", file.string()));
    }
    return OutputFile(file, OutputFile::Start::replace);
  }

  size_t classes_;
  OutputFile file_;
};

// Pictures of images with their classes, in a folder of their own.
class PictureFolder {
 public:
  // Makes the folder. Throws Error when it has something in it.
  explicit PictureFolder(fs::path folder) : folder_(std::move(folder)) {
    create_folder(folder_);
    if (!fs::is_empty(folder_)) {
      throw FileError(fmt::format("{}: has something in it; name a new folder for the pictures", folder_.string()));
    }
  }

  // Returns the picture's file, which has the image's name, with a number where that is taken.
  std::string add(const ImagePredictions& image) {
    const Image pixels = decode_image(image.read_file(), image.image);
    constexpr size_t kLongest = 200;  // bytes, so that a number and an ending fit into the name of a file
    const std::string stem = image.image == "-" ? "stdin" : fs::path(image.image).stem().string().substr(0, kLongest);
    std::string name = stem + ".png";
    for (int number = 2; !names_.insert(name).second; ++number) name = fmt::format("{}-{}.png", stem, number);
    draw_predictions(pixels.view(), image.classes).save(folder_ / name);
    return (folder_ / name).string();
  }

 private:
  fs::path folder_;
  std::set<std::string> names_;
};

// What ends the work before its end, from within.
struct Stop {
  int code;
};

int run(const Options& options) {
  const fs::path model = options.trained.model_file();
  Classifier classifier = options.trained.open(model);
  std::optional<PredictionTable> table;
  if (!options.csv.empty()) {
    table.emplace(options.csv, std::min(static_cast<size_t>(options.top_k), classifier.class_names().size()));
  }
  std::optional<PictureFolder> pictures;
  if (!options.pictures.empty()) pictures.emplace(options.pictures);
  if (options.trained.checkpoint.empty() && !options.json) print("model: {}\n", model.string());
  bool all_readable = true;
  const Interrupt interrupt;
  const auto take = [&](const ImagePredictions& image) {
    const bool readable = image.error.empty();
    if (!readable) {
      all_readable = false;
      print_error("convoy predict", image.error);
    }
    if (!image.damage.empty()) print_error("convoy predict", "warning: " + image.damage);
    const std::string picture = readable && pictures ? pictures->add(image) : "";
    if (table) table->add(image);
    if (options.json) {
      print_json_line(to_json(image, picture));
    } else if (readable) {
      print_image(image);
    }
    const bool is_read = flush_output() || table || pictures;
    if (interrupt.requested()) throw Stop{kInterrupted};
    if (!is_read) throw Stop{0};
  };
  try {
    classifier.predict({options.images.begin(), options.images.end()}, options.top_k, take);
  } catch (const Stop& stop) {
    return stop.code;
  }
  return all_readable ? 0 : 1;
}

std::function<int()> declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("IMAGE", options->images, "Images, folders and archives of them; - for one from standard input")
      ->required()
      ->type_name("FILE");
  options->trained.declare(app);
  app.add_option("-k,--top-k", options->top_k,
                 fmt::format("Classes to show, the most probable first [{}]", options->top_k))
      ->check(CLI::Range(1, 1000000))
      ->type_name("N");
  app.add_flag("--json", options->json, "Print a JSON object on a line for each image, as soon as it is classified");
  app.add_option("--csv", options->csv, "Also write a row for each image to this file")->type_name("FILE");
  app.add_option("--save-pictures", options->pictures, "Also write each image with its classes there, as PNG")
      ->type_name("DIR");
  return [options] { return run(*options); };
}

}  // namespace

const Command kPredict = {
    "predict",
    "Classify images with a trained network",
    "  convoy predict photo.jpg\n"
    "  convoy predict new/ photos.zip --checkpoint runs/birds/best.safetensors --top-k 1 --csv birds.csv\n"
    "  convoy predict new/*.jpg --json --save-pictures pictures\n"
    "  curl URL | convoy predict -\n"
    "An image that is missing or cannot be read is named on standard error, the others are classified, and the exit\n"
    "status is 1.",
    declare,
};

}  // namespace convoy::cli
