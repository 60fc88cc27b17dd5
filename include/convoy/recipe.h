// The settings of a training run. Each has one name everywhere: the flag --batch-size, the key batch-size of a recipe
// file and the environment variable CONVOY_BATCH_SIZE are the field batch_size. The names are timm's where it has one.
//
// Threads: a recipe is a value; the functions may be called from several at once.
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
#include "convoy/export_macro.h"
#include "convoy/image_options.h"
#include "convoy/precision.h"

namespace convoy {

struct ModelOptions;

struct Recipe {
  enum class DecayMode : uint8_t { optimizers_own, l2, decoupled };
  using Crop = TrainCrop;
  using PaddingMode = CropPaddingMode;
  using FlipMode = convoy::FlipMode;
  using EraseMode = convoy::EraseMode;
  using MixMode = convoy::MixMode;
  using Resize = ResizeMode;
  using Interpolation = convoy::Interpolation;
  using OnBadImage = convoy::OnBadImage;
  enum class Cache : uint8_t { ram, disk, none };
  enum class Padding : uint8_t { usual, symmetric, same };
  enum class FreezeStats : uint8_t { frozen, none, all };
  enum class ReduceDtype : uint8_t { fp32, bf16 };

  // The images. A folder of class folders, or train/ beside val/ or test/ of that kind, CIFAR's files, WebDataset's, an
  // archive or shards of these, "photos-{000..127}.tar", or a dataset of the program's own (convoy/own_dataset.h).
  std::string data;
  std::string val;       // other such images for validation; empty: what `data` offers
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
  int64_t batch_size = 32;  // of a slice; 0: the largest that fits into memory
  // Parts of a batch, each with batch norms and mixtures of its own, whose gradients are summed in their order, so that
  // any number of ranks that divides this trains to the same bits. Unset: as many as ranks.
  std::optional<int64_t> slices;
  bool sync_bn = false;          // batch norms normalise by the statistics of the whole batch, of all ranks together
  bool drop_last = false;        // leave out the last batch of an epoch where it is smaller than the others
  int64_t grad_accum_steps = 1;  // batches whose mean gradient makes one update
  int64_t seed = 42;

  std::string opt = "adamw";  // one of optimizers() (convoy/optimizer.h)
  // What is unset from here to clip_grad is as find_optimizer(opt) says.
  std::optional<double> lr;
  std::optional<double> momentum;
  std::optional<std::array<double, 2>> opt_betas;
  std::optional<double> opt_eps;
  bool nesterov = false;
  std::optional<double> weight_decay;
  // Whether the decay is added to the gradient (Paddle's L2Decay) or shrinks the weights beside the step.
  DecayMode decay_mode = DecayMode::optimizers_own;
  bool decay_norms = false;            // norms and biases decay, too
  double bias_lr_scale = 1;            // factor of the rate, not of the decay, of the norms' biases
  double layer_decay = 1;              // factor of the rate from each layer to the one before it, as timm's
  double head_lr_scale = 1;            // factor of the rate of the last linear layer
  std::optional<double> clip_grad;     // largest norm of the gradient of all parameters; 0: not clipped
  std::string loss = "cross-entropy";  // one of loss_names() (convoy/loss.h); validation reports cross entropy
  double smoothing = 0.1;              // of the labels
  bool model_ema = false;              // validate and save the moving average of the weights
  double model_ema_decay = 0.9998;
  // Updates after which slow weights take a step towards the weights and replace them (Zhang et al., arXiv 1907.08610);
  // 0: off.
  int64_t lookahead = 0;
  double lookahead_decay = 0.95;

  std::string sched = "cosine";  // one of schedule_names() (convoy/schedule.h)
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
  // RandAugment and its like, as timm writes it: rand-m9-mstd0.5-inc1; or an augmentation of the program's own
  // (convoy/own_augmentation.h). Empty: off.
  std::string aa;
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
  Precision precision = Precision::fp32;  // of the training steps
  int64_t threads = 0;                    // 0: all processors
  // Bytes that the process may use; what does not fit is computed again in the backward pass, to the same bits. Unset:
  // what the machine or its container has free.
  std::optional<int64_t> memory;
  int64_t workers = 2;                           // threads that prepare images
  ReduceDtype reduce_dtype = ReduceDtype::fp32;  // as what gradients go from rank to rank
  // Where decoded images are kept: in memory, up to 512 MiB and a quarter of what is free, or in files, which later
  // runs find again as long as a source file has the same path, size and time.
  Cache cache = Cache::ram;
  std::string cache_dir;            // disk: the folder; empty: $XDG_CACHE_HOME/convoy, or ~/.cache/convoy
  double cache_size = 20;           // disk: most gigabytes (1e9 bytes) in it; also half of what could be free
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
  std::string help;          // one line, without a full stop
  Type type = Type::text;
  // "an integer from 1 to 65536", "one of cosine, step, multistep, constant"
  std::function<std::string()> expected;
  // All that a text may be; empty: any. Programs may add to some (optimizer.h, schedule.h, loss.h).
  std::function<std::vector<std::string>()> choices;
  // Whether a run with another value is another run, which must not be resumed as this one.
  bool identifies_run = true;
  // The value as text; nullopt when unset. A list is separated by commas.
  std::function<std::optional<std::string>(const Recipe&)> get;
  // False, changing nothing, when `text` is not as expected. "auto" leaves open what can be left open.
  std::function<bool(Recipe&, std::string_view text)> set;
};

// In the order in which help and files list them.
CONVOY_API const std::vector<RecipeField>& recipe_fields();

// Throws UsageError, with the nearest known name, when there is none.
CONVOY_API const RecipeField& find_recipe_field(std::string_view name);

// Throws UsageError "<source>: expected an integer from 1 to 65536, got 'x'" when the text is not as the field expects.
// source: how the user spelled the setting, such as "--batch-size".
CONVOY_API void set_field(Recipe& recipe, const RecipeField& field, std::string_view text, std::string_view source);

// Sets what a TOML file or text sets; the other fields stay. Throws UsageError for an unknown key, a wrong value or
// what is not TOML, Error when the file cannot be read. origin names the text in messages.
CONVOY_API void read_recipe(Recipe& recipe, const std::filesystem::path& file);
CONVOY_API void read_recipe_text(Recipe& recipe, std::string_view toml, std::string_view origin);

// Sets every field whose environment variable is there and not empty: CONVOY_BATCH_SIZE for batch-size.
CONVOY_API void read_recipe_environment(Recipe& recipe);

// All fields that are set, as TOML that read_recipe_text turns into an equal recipe.
CONVOY_API std::string to_toml(const Recipe& recipe);

// Throws UsageError when a field is out of its range or fields contradict each other.
CONVOY_API void check(const Recipe& recipe);

// What the recipe says about the network; the number of classes follows from the images.
CONVOY_API ModelOptions model_options(const Recipe& recipe);

}  // namespace convoy
