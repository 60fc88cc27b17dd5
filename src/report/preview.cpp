// A grid of labelled images.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "convoy/data.h"
#include "convoy/error.h"
#include "core/random.h"
#include "data/dataset.h"
#include "data/loader.h"
#include "data/recipe_images.h"
#include "data/resize.h"
#include "report/chart.h"
#include "report/picture.h"

namespace convoy {
namespace {

constexpr int kSide = 4;
constexpr int64_t kImages = int64_t{kSide} * kSide;
constexpr double kCell = 200, kGap = 16, kTitle = 24;

struct Cell {
  Image image;
  std::string title;
};

// The cells, and what could not be drawn.
struct Cells {
  std::vector<Cell> drawn;
  std::vector<std::string> left_out;
};

// Images of as many classes as there are: rounds over the classes, each round another image of a class.
std::vector<int64_t> choose(const Dataset& dataset, uint64_t seed) {
  std::vector<std::vector<int64_t>> by_class(dataset.class_names().size());
  for (int64_t i = 0; i < dataset.size(); ++i) by_class[static_cast<size_t>(dataset.label(i))].push_back(i);
  for (size_t label = 0; label < by_class.size(); ++label) {
    RandomStream random(seed, "preview", label);
    std::vector<int64_t>& images = by_class[label];
    for (size_t i = images.size(); i > 1; --i) {
      std::swap(images[i - 1], images[random.below(static_cast<uint32_t>(i))]);
    }
  }
  std::vector<int64_t> chosen;
  const auto most = std::min(dataset.size(), kImages);
  for (size_t round = 0; static_cast<int64_t>(chosen.size()) < most; ++round) {
    for (const std::vector<int64_t>& images : by_class) {
      if (round < images.size() && static_cast<int64_t>(chosen.size()) < most) chosen.push_back(images[round]);
    }
  }
  return chosen;
}

// "cat", or "cat 62 %, dog 38 %" where images are mixed.
std::string title_of(const float* target, const std::vector<std::string>& names) {
  std::vector<size_t> order(names.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, std::ranges::greater{}, [&](size_t i) { return target[i]; });
  if (target[order[0]] > 0.995F) return names[order[0]];
  return fmt::format("{} {:.0f} %, {} {:.0f} %", names[order[0]], 100 * target[order[0]], names[order[1]],
                     100 * target[order[1]]);
}

// Normalised floats {side, side, 3} as pixels again.
Image to_pixels(const float* floats, const Preprocessing& preprocessing) {
  Image image(preprocessing.image_size, preprocessing.image_size);
  uint8_t* out = image.row(0);
  for (size_t i = 0; i < image.bytes(); ++i) {
    const float value = (floats[i] * preprocessing.std[i % 3] + preprocessing.mean[i % 3]) * 255;
    out[i] = static_cast<uint8_t>(std::clamp(std::nearbyint(value), 0.0F, 255.0F));
  }
  return image;
}

// At most as large as the drawing can show: cairo takes no side of 32768 pixels or more.
Image reduced(Image image) {
  constexpr int kMost = 2 * static_cast<int>(kCell);
  const double scale = static_cast<double>(kMost) / std::max(image.width(), image.height());
  if (scale >= 1) return image;
  const auto side = [&](int pixels) { return std::max(1, static_cast<int>(std::lround(pixels * scale))); };
  return resize(image.view(), side(image.width()), side(image.height()), Interpolation::box);
}

Cells stored_cells(const Dataset& images) {
  Cells cells;
  for (int64_t i = 0; i < images.size(); ++i) {
    try {
      cells.drawn.push_back({reduced(images.load(i)), images.class_names()[static_cast<size_t>(images.label(i))]});
    } catch (const Error& error) {
      cells.left_out.emplace_back(error.what());
    }
  }
  return cells;
}

Cells augmented_cells(const DatasetPtr& images, const Recipe& recipe) {
  constexpr int64_t kImageSize = 224;
  LoaderOptions options;
  options.batch_size = images->size();
  options.preprocessing = preprocessing_of(recipe, recipe.img_size.value_or(kImageSize));
  options.augmentation = augmentation_of(recipe);
  options.seed = static_cast<uint64_t>(recipe.seed);
  options.on_bad_image = OnBadImage::skip;
  options.end_epoch = 1;
  Loader loader(images, options);
  const Batch& batch = loader.next();
  const int64_t side = options.preprocessing.image_size;
  const auto classes = static_cast<int64_t>(images->class_names().size());
  Cells cells;
  for (int64_t i = 0; i < batch.size; ++i) {
    cells.drawn.push_back({to_pixels(batch.images.floats() + i * side * side * 3, options.preprocessing),
                           title_of(batch.targets.floats() + i * classes, images->class_names())});
  }
  cells.left_out = loader.bad_images();
  return cells;
}

// Fits an image into a square, its shape kept.
Rect fit(const Image& image, double left, double top) {
  const double scale = kCell / std::max(image.width(), image.height());
  const double width = image.width() * scale, height = image.height() * scale;
  return {left + (kCell - width) / 2, top + (kCell - height) / 2, width, height};
}

// Draws `text` over a cell: smaller where it is long, and cut off where that is not enough.
void draw_title(Picture& picture, const std::string& text, Point at) {
  constexpr double kSize = 14, kLeast = 10;
  TextStyle style{.size = kSize, .anchor = TextStyle::Anchor::center};
  style.size = std::clamp(kSize * kCell / picture.text_width(text, style), kLeast, kSize);
  picture.text(shortened(picture, text, style, kCell), at, style);
}

}  // namespace

std::vector<std::string> draw_preview(const std::filesystem::path& data, const std::filesystem::path& output,
                                      const PreviewOptions& options) {
  const TrainVal parts = open_train_val(data);
  const DatasetPtr all = options.val && parts.val != nullptr ? parts.val : parts.train;
  if (options.val && parts.val == nullptr) throw Error(fmt::format("{}: has no validation images", data.string()));
  const DatasetPtr images = make_subset(all, choose(*all, options.seed));
  auto [cells, left_out] = options.augmented ? augmented_cells(images, *options.augmented) : stored_cells(*images);
  if (cells.empty()) throw Error(left_out.front());
  const auto rows = static_cast<double>((cells.size() + kSide - 1) / kSide);
  Picture picture(kGap + kSide * (kCell + kGap), kGap + rows * (kTitle + kCell + kGap));
  for (size_t i = 0; i < cells.size(); ++i) {
    const double left = kGap + static_cast<double>(i % kSide) * (kCell + kGap);
    const double top = kGap + static_cast<double>(i / kSide) * (kTitle + kCell + kGap);
    draw_title(picture, cells[i].title, {left + kCell / 2, top + kTitle / 2 - 2});
    picture.image(cells[i].image.view(), fit(cells[i].image, left, top + kTitle));
  }
  picture.save(output);
  return left_out;
}

}  // namespace convoy
