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

#include "convoy/activation.h"

namespace convoy {

struct ModelOptions;

struct Recipe {
  enum class Optimizer : uint8_t { sgd, adam, adamw, rmsprop, rmsproptf, lamb, lion, muon };
  enum class DecayMode : uint8_t { optimizers_own, l2, decoupled };
  enum class Schedule : uint8_t { cosine, linear, poly, onecycle, step, multistep, constant };
  enum class Crop : uint8_t { none, padded, resized };
  enum class PaddingMode : uint8_t { zero, reflect };
  enum class FlipMode : uint8_t { random, alternate };
  enum class EraseMode : uint8_t { constant, color, pixels };
  enum class MixMode : uint8_t { batch, pair, element };
  enum class Resize : uint8_t { crop, squash };
  enum class Interpolation : uint8_t { nearest, box, bilinear, bicubic };
  enum class OnBadImage : uint8_t { strict, error, skip };
  enum class Padding : uint8_t { usual, symmetric, same };
  enum class FreezeStats : uint8_t { frozen, none, all };

  // The images. A folder with one sub-folder a class, train/ beside val/ or test/ of that kind, CIFAR's files, or a tar
  // or zip archive of one of these.
  std::string data;
  std::string val;       // a folder of its own for validation; empty: what `data` offers
  double val_split = 0;  // share of every class that is held back for validation where there is no other source

  std::string model;
  std::optional<int64_t> img_size;  // unset: the network's own
  std::optional<double> drop;       // dropout; unset: the network's own
  std::optional<double> drop_path;  // stochastic depth; unset: the network's own
  // For the networks that take them (Model::takes).
  double width = 1;                       // multiplier of the channels
  std::optional<int64_t> asymmetry_rate;  // unset: the network's own
  Activation act = Activation::none;      // none: the network's own
  std::optional<double> bn_eps;           // of every batch norm; unset: the network's own
  Padding padding = Padding::usual;       // of convolutions with strides; usual: symmetric, which imports may overrule
  bool acnet = false;                     // k x k convolutions become ACNet's asymmetric blocks
  // A file of weights to start from, as import_model takes it; the head starts anew where the classes are others.
  std::string initial_checkpoint;
  // Modules that keep their weights, "conv1,layer1", or "all-but-head".
  std::string freeze;
  // The batch norms that use, and keep, their stored statistics: those that are frozen with weight and bias (timm's
  // freeze), none (its include_bn_running_stats=False) or all (its freeze_batch_norm_2d, which keeps the weights, too).
  FreezeStats freeze_stats = FreezeStats::frozen;
  int64_t unfreeze_after = 0;  // epochs after which what is frozen is trained, too; 0: never

  int64_t epochs = 30;
  int64_t max_updates = 0;  // the run ends after that many updates, within an epoch if need be; 0: after all epochs
  int64_t batch_size = 32;
  bool drop_last = false;        // leave out the last batch of an epoch where it is smaller than the others
  int64_t grad_accum_steps = 1;  // batches whose mean gradient makes one update
  int64_t seed = 42;

  Optimizer opt = Optimizer::adamw;
  // Unset, what an optimizer has of these is (n: the images of an update)
  //   sgd        lr 0.1 n / 256            momentum 0.9
  //   adam       lr 0.001 sqrt(n / 32)                    opt-betas 0.9,0.999  opt-eps 1e-8
  //   adamw      lr 0.001 sqrt(n / 32)                    opt-betas 0.9,0.999  opt-eps 1e-8
  //   rmsprop    lr 0.016 n / 256          momentum 0.9                        opt-eps 0.0316
  //   rmsproptf  lr 0.016 n / 256          momentum 0.9                        opt-eps 0.001
  //   lamb       lr 0.005 sqrt(n / 2048)                  opt-betas 0.9,0.999  opt-eps 1e-6
  //   lion       lr 0.0001 sqrt(n / 256)                  opt-betas 0.9,0.99
  //   muon       lr 0.001 sqrt(n / 256)    momentum 0.95  opt-betas 0.9,0.95   opt-eps 1e-10
  // and weight-decay 0.01 for adamw, lion and muon, which shrink the weights with it, 1e-4 for the others.
  std::optional<double> lr;
  std::optional<double> momentum;
  std::optional<std::array<double, 2>> opt_betas;
  std::optional<double> opt_eps;
  bool nesterov = false;
  std::optional<double> weight_decay;
  // Whether the decay is added to the gradient (Paddle's L2Decay) or shrinks the weights beside the step.
  DecayMode decay_mode = DecayMode::optimizers_own;
  bool decay_norms = false;         // norms and biases decay, too
  double bias_lr_scale = 1;         // factor of the rate, not of the decay, of the norms' biases
  double layer_decay = 1;           // factor of the rate from each layer to the one before it, as timm's
  double head_lr_scale = 1;         // factor of the rate of the last linear layer
  std::optional<double> clip_grad;  // largest norm of the gradient of all parameters; 0: not clipped; unset: 1 for lamb
  double smoothing = 0.1;
  bool model_ema = false;  // validate and save the moving average of the weights
  double model_ema_decay = 0.9998;
  // Updates after which slow weights take a step towards the weights and replace them (Zhang et al., arXiv 1907.08610);
  // 0: off.
  int64_t lookahead = 0;
  double lookahead_decay = 0.95;

  Schedule sched = Schedule::cosine;
  bool sched_on_updates = true;  // the rate changes with every update instead of every epoch
  // Part of `epochs`, as timm's default. Unset: a tenth of the run, at most 5, with cosine, linear and poly, and none
  // with the others.
  std::optional<double> warmup_epochs;
  double warmup_lr = 1e-5;                              // or `lr`, if that is less and warmup_epochs unset
  double min_lr = 0;                                    // where cosine, linear and poly end
  double poly_power = 1;                                // poly
  double pct_start = 0.3;                               // onecycle: share of the run in which the rate rises
  double div_factor = 25;                               // onecycle: lr over the first rate
  double final_div_factor = 1e4;                        // onecycle: the first rate over the last
  bool cycle_momentum = true;                           // onecycle: momentum falls to 0.85 while the rate rises
  double decay_epochs = 90;                             // step: epochs between decays
  std::vector<int64_t> decay_milestones{90, 180, 270};  // multistep: the epochs, counted from 1, that begin a decay
  double decay_rate = 0.1;

  // Images and regularisation that grow in stages of equal length (Tan and Le, arXiv 2104.00298, algorithm 1). The
  // starts are those of the first stage; unset: as in the last, which has img_size, drop, mixup and aa.
  int64_t progressive_stages = 1;
  std::optional<int64_t> progressive_img_size;
  std::optional<double> progressive_drop;
  std::optional<double> progressive_mixup;
  std::optional<double> progressive_magnitude;  // of aa, which is then RandAugment

  Crop train_crop = Crop::resized;
  int64_t crop_padding = 4;                               // padded: pixels put on every side
  PaddingMode crop_padding_mode = PaddingMode::zero;      // padded: black, or the image mirrored
  std::array<double, 2> scale{0.35, 1.0};                 // resized: share of the area
  std::array<double, 2> ratio{0.75, 1.3333333333333333};  // resized: width over height
  double hflip = 0.5;                                     // probability
  FlipMode hflip_mode = FlipMode::random;                 // or drawn once, then flipped in every second epoch
  double vflip = 0;                                       // probability
  double rotate = 0;                                      // degrees, either way
  std::string aa;  // RandAugment and its like, as timm writes it: rand-m9-mstd0.5-inc1; empty: off
  // Brightness, contrast, saturation and hue change by up to these; one number is for the first three, and a fourth may
  // be left out.
  std::vector<double> color_jitter{0};
  double reprob = 0;                       // probability that rectangles are erased
  EraseMode remode = EraseMode::constant;  // to the mean colour, a random one, or random pixels
  int64_t recount = 1;                     // most rectangles
  std::string augment_order = "crop,hflip,vflip,rotate,aa,color-jitter,erase";
  double mixup = 0;                     // alpha of MixUp; 0: off
  double cutmix = 0;                    // alpha of CutMix; 0: off
  double mixup_prob = 1;                // probability that a batch or sample is mixed at all
  double mixup_switch_prob = 0.5;       // probability of CutMix where both are on
  MixMode mixup_mode = MixMode::batch;  // what shares a mixture
  int64_t mixup_off_epoch = 0;          // first epoch, from 0, without mixing; 0: all are mixed

  Resize resize_mode = Resize::crop;
  double crop_pct = 0.875;
  Interpolation interpolation = Interpolation::bilinear;
  std::array<double, 3> mean{0.485, 0.456, 0.406};
  std::array<double, 3> std{0.229, 0.224, 0.225};

  std::string output = "runs";
  std::string experiment;  // the run folder is <output>/<experiment>; empty: named after the model
  bool resume = false;     // continue the run of that folder where it stopped; start afresh where there is none
  OnBadImage on_bad_image = OnBadImage::error;
  int64_t patience = 0;                   // epochs without a better result after which the run ends; 0: never
  double time = 0;                        // minutes after which the run stops, to be resumed; 0: never
  std::optional<double> save_best_above;  // best.safetensors is written only for a greater validation accuracy
  int64_t threads = 0;                    // 0: all processors
  int64_t workers = 2;                    // threads that prepare images
  int64_t eval_interval = 1;              // epochs between validations
  int64_t checkpoint_interval = 1;        // epochs between saves
  int64_t log_interval = 50;              // steps between events

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

// Sets what a TOML file or text sets; the other fields stay. Throws UsageError for an unknown key, a wrong value or
// what is not TOML, Error when the file cannot be read. origin names the text in messages.
void read_recipe(Recipe& recipe, const std::filesystem::path& file);
void read_recipe_text(Recipe& recipe, std::string_view toml, std::string_view origin);

// Sets every field whose environment variable is there and not empty: CONVOY_BATCH_SIZE for batch-size.
void read_recipe_environment(Recipe& recipe);

// All fields that are set, as TOML that read_recipe_text turns into an equal recipe.
std::string to_toml(const Recipe& recipe);

// Throws UsageError when a field is out of its range or fields contradict each other.
void check(const Recipe& recipe);

// What the recipe says about the network; the number of classes follows from the images.
ModelOptions model_options(const Recipe& recipe);

}  // namespace convoy
