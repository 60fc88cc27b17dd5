// The settings of a training run. Each has one name everywhere: the flag --batch-size, the key batch-size of a recipe
// file and the environment variable CONVOY_BATCH_SIZE are the field batch_size. The names are timm's where it has one.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace convoy {

struct Recipe {
  enum class Optimizer : uint8_t { sgd, adam, adamw };
  enum class Schedule : uint8_t { cosine, step, multistep, constant };
  enum class Crop : uint8_t { none, padded, resized };
  enum class PaddingMode : uint8_t { zero, reflect };
  enum class FlipMode : uint8_t { random, alternate };
  enum class Resize : uint8_t { crop, squash };
  enum class Interpolation : uint8_t { nearest, box, bilinear, bicubic };
  enum class OnBadImage : uint8_t { error, skip };

  // The images. A folder with one sub-folder a class, train/ beside val/ or test/ of that kind, binary CIFAR files, or
  // a tar archive of one of these.
  std::string data;
  std::string val;       // a folder of its own for validation; empty: what `data` offers
  double val_split = 0;  // share of every class that is held back for validation where there is no other source

  std::string model;
  std::optional<int64_t> img_size;  // unset: the network's own
  std::optional<double> drop;       // dropout; unset: the network's own
  std::optional<double> drop_path;  // stochastic depth; unset: the network's own

  int64_t epochs = 30;
  int64_t batch_size = 32;
  int64_t grad_accum_steps = 1;  // batches whose mean gradient makes one update
  int64_t seed = 42;

  Optimizer opt = Optimizer::sgd;
  // Unset: 0.1 per 256 images of an update for sgd, 0.001 times the root of that for adam and adamw.
  std::optional<double> lr;
  double momentum = 0.9;
  bool nesterov = false;
  std::array<double, 2> opt_betas{0.9, 0.999};
  double opt_eps = 1e-8;
  double weight_decay = 1e-4;
  bool decay_norms = false;  // norms and biases decay, too
  double clip_grad = 0;      // largest norm of the gradient of all parameters; 0: not clipped
  double smoothing = 0.1;
  bool model_ema = false;  // validate and save the moving average of the weights
  double model_ema_decay = 0.9998;

  Schedule sched = Schedule::cosine;
  bool sched_on_updates = false;  // the rate changes with every update instead of every epoch
  double warmup_epochs = 0;       // part of `epochs`, as timm's default
  double warmup_lr = 1e-5;
  double min_lr = 0;                                    // where cosine ends
  double decay_epochs = 90;                             // step: epochs between decays
  std::vector<int64_t> decay_milestones{90, 180, 270};  // multistep: the epochs, counted from 1, that begin a decay
  double decay_rate = 0.1;

  Crop train_crop = Crop::resized;
  int64_t crop_padding = 4;                               // padded: pixels put on every side
  PaddingMode crop_padding_mode = PaddingMode::zero;      // padded: black, or the image mirrored
  std::array<double, 2> scale{0.35, 1.0};                 // resized: share of the area
  std::array<double, 2> ratio{0.75, 1.3333333333333333};  // resized: width over height
  double hflip = 0.5;                                     // probability
  FlipMode hflip_mode = FlipMode::random;                 // or drawn once, then flipped in every second epoch
  double vflip = 0;                                       // probability
  double rotate = 0;                                      // degrees, either way
  double color_jitter = 0;  // brightness, contrast and saturation change by up to this share
  double reprob = 0;        // probability that a rectangle is erased
  double mixup = 0;         // alpha of MixUp; 0: off
  double cutmix = 0;        // alpha of CutMix; 0: off

  Resize resize_mode = Resize::crop;
  double crop_pct = 0.875;
  Interpolation interpolation = Interpolation::bilinear;
  std::array<double, 3> mean{0.485, 0.456, 0.406};
  std::array<double, 3> std{0.229, 0.224, 0.225};

  std::string output = "runs";
  std::string experiment;  // the run folder is <output>/<experiment>; empty: named after the model
  bool resume = false;     // continue the run of that folder where it stopped; start afresh where there is none
  OnBadImage on_bad_image = OnBadImage::error;
  int64_t threads = 0;              // 0: all processors
  int64_t workers = 2;              // threads that prepare images
  int64_t eval_interval = 1;        // epochs between validations
  int64_t checkpoint_interval = 1;  // epochs between saves
  int64_t log_interval = 50;        // steps between events

  friend bool operator==(const Recipe&, const Recipe&) = default;
};

// One setting, for whatever reads, writes or lists them all.
struct RecipeField {
  enum class Type : uint8_t { boolean, integer, number, text, list };

  std::string_view name;     // "batch-size"
  std::string_view section;  // "Training"
  std::string_view help;     // one line, without a full stop
  Type type = Type::text;
  std::string expected;              // "an integer from 1 to 65536", "one of cosine, step, multistep, constant"
  std::vector<std::string> choices;  // all that a text may be; empty: any
  // Whether a run with another value is another run, which must not be resumed as this one.
  bool identifies_run = true;
  // The value as text; nullopt when unset. A list is separated by commas.
  std::function<std::optional<std::string>(const Recipe&)> get;
  // False, changing nothing, when `text` is not as expected. "auto" unsets what can be unset.
  std::function<bool(Recipe&, std::string_view text)> set;
};

// In the order in which help and files list them.
const std::vector<RecipeField>& recipe_fields();

// Throws UsageError, with the nearest known name, when there is none.
const RecipeField& find_recipe_field(std::string_view name);

// Throws UsageError "<source>: expected an integer from 1 to 65536, got 'x'" when the text is not as the field expects.
// source: how the user spelled the setting, such as "--batch-size".
void set_field(Recipe& recipe, const RecipeField& field, std::string_view text, std::string_view source);

// Sets what a TOML file or text sets; the other fields stay. Throws UsageError for an unknown key or a wrong value,
// Error when the file cannot be read or is not TOML. origin names the text in messages.
void read_recipe(Recipe& recipe, const std::filesystem::path& file);
void read_recipe_text(Recipe& recipe, std::string_view toml, std::string_view origin);

// Sets every field whose environment variable is there: CONVOY_BATCH_SIZE for batch-size.
void read_recipe_environment(Recipe& recipe);

// All fields that are set, as TOML that read_recipe_text turns into an equal recipe.
std::string to_toml(const Recipe& recipe);

// Throws UsageError when a field is out of its range or fields contradict each other.
void check(const Recipe& recipe);

}  // namespace convoy
