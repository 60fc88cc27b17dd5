// Preparing and examining the images of a dataset. `data` is what `convoy train` takes: a folder, an archive or shards,
// or, but for split_images, the name of a dataset of the program's own (convoy/own_dataset.h).
//
// Threads: these functions may be called from several at once, unless they write the same files.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "convoy/export_macro.h"
#include "convoy/recipe.h"

namespace convoy {

struct ClassCount {
  std::string class_name;
  int64_t train = 0;
  int64_t val = 0;
};

// What is wrong or doubtful about images. Names are files, or files and numbers within.
struct DataProblem {
  enum class Severity : uint8_t { note, warning, error };
  Severity severity = Severity::note;
  std::string kind;  // "damaged", "duplicate-across-split", "stray-image", ...: a word for programs
  std::string text;  // one line that says what is wrong and what to do
  std::vector<std::string> images;
};

struct SplitOptions {
  // Images 0, every, 2 * every, ... of each class, in the order of their names, go to val; 0: by `fraction`.
  int64_t every = 0;
  // Share of every class, rounded, at least one image and not all, drawn by `seed`.
  double fraction = 0.2;
  uint64_t seed = 42;
  bool link = false;            // hard links to the files instead of copies
  bool replace_spaces = false;  // by '_' in the names of files
};

struct SplitResult {
  std::vector<ClassCount> classes;    // empty: it was stopped
  std::vector<DataProblem> problems;  // what was left out or renamed
};

// Writes output/train/<class>/ and output/val/<class>/ with the images of `data`; where two names become one, the
// latter gets a number. The folder appears when it is whole: until then it is output.tmp, which is removed when the
// split fails or `stop` becomes true. Throws UsageError when `output` lies within `data`, an option is out of its
// range, or links to files of an archive are asked for; Error when `output` has something in it, `data` has a
// validation part already or a class folder without images, or a file cannot be read or written.
CONVOY_API SplitResult split_images(const std::filesystem::path& data, const std::filesystem::path& output,
                                    const SplitOptions& options = {}, const std::atomic<bool>* stop = nullptr);

struct CONVOY_API DataCheck {
  int64_t images = 0;
  std::vector<ClassCount> classes;
  std::vector<DataProblem> problems;  // the gravest first

  int64_t count(DataProblem::Severity severity) const;
};

// Decodes every image and looks for damaged ones, the same file or pixels twice, files that are not what their name
// says, colours that are converted, turned and tiny images, small and unbalanced classes, classes that are only in one
// split, and what of `data` is not read: images outside of class folders, empty and unreadable folders, other files.
// Throws Error when `data` cannot be opened, or has no images.
CONVOY_API DataCheck check_images(const std::filesystem::path& data);

struct DataStats {
  // Of red, green and blue in [0, 1], over the training images; every image counts alike.
  std::array<double, 3> mean{};
  std::array<double, 3> std{};
  int64_t train_images = 0;
  int64_t val_images = 0;
  std::vector<ClassCount> classes;
  std::vector<DataProblem> problems;  // what was left out or is doubtful
  // Of the training images' sides in pixels: least, quartiles and greatest.
  std::array<int, 5> widths{};
  std::array<int, 5> heights{};
  // The commonest sizes and how many images have them, at most ten.
  std::vector<std::pair<std::array<int, 2>, int64_t>> sizes;
};

// Throws Error when an image cannot be read.
CONVOY_API DataStats measure_images(const std::filesystem::path& data);

struct PreviewOptions {
  // Show what training with this recipe reads; without one, the images as they are.
  std::optional<Recipe> augmented;
  bool val = false;  // the validation images, where there are some
  uint64_t seed = 42;
};

// Draws a 4 x 4 grid of images of different classes, with their class names (and shares, where images are mixed), into
// `output`, whose name ends in .png or .svg. Returns why images are left out that cannot be read. Throws Error when
// none can be read or the file cannot be written.
CONVOY_API std::vector<std::string> draw_preview(const std::filesystem::path& data, const std::filesystem::path& output,
                                                 const PreviewOptions& options = {});

}  // namespace convoy
