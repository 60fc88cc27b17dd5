// The one list of all settings.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "convoy/error.h"
#include "convoy/loss.h"
#include "convoy/model.h"
#include "convoy/recipe.h"
#include "convoy/schedule.h"
#include "core/text.h"
#include "train/optimizer_options.h"
#include "train/recipe_field_builder.h"

namespace convoy {
namespace {

using namespace recipe_builder;

void add_data(Fields& fields) {
  fields.section("Data");
  fields
      .add("data", &Recipe::data,
           "folder with one sub-folder a class, binary CIFAR files, an archive of these, or shards, s-{000..127}.tar")
      .identifies_run = false;
  fields.add("val", &Recipe::val, "folder, archive or shards of validation images; without it, what the data offer")
      .identifies_run = false;
  fields.add("val-split", &Recipe::val_split, "share of every class held back for validation", kShare);
  fields
      .add("on-bad-image", &Recipe::on_bad_image,
           Choices<Recipe::OnBadImage>{{"strict", Recipe::OnBadImage::strict},
                                       {"error", Recipe::OnBadImage::error},
                                       {"skip", Recipe::OnBadImage::skip}},
           "what to do about an image that cannot be read; strict: also about damage that leaves it readable")
      .identifies_run = false;
}

void add_network(Fields& fields) {
  fields.section("Network");
  fields.add("model", &Recipe::model, "network to train");
  fields.add("img-size", &Recipe::img_size, "side of the square images; auto: the network's own", {1, 16384});
  fields.add("drop", &Recipe::drop, "dropout probability; auto: the network's own", kShare);
  fields.add("drop-path", &Recipe::drop_path, "stochastic depth probability; auto: the network's own", kShare);
  fields.add("width", &Recipe::width, "multiplier of the channels, for AsymmNet", {0, kMaxWidth, true});
  fields.add("asymmetry-rate", &Recipe::asymmetry_rate,
             "copies of the input on either side of an expansion, for AsymmNet; auto: 1", {0, kMaxAsymmetryRate});
  Choices<Activation> activations{{"auto", Activation::none}};
  for (const Activation function : {Activation::relu, Activation::relu6, Activation::leaky_relu, Activation::silu,
                                    Activation::hard_swish, Activation::gelu}) {
    activations.emplace_back(to_string(function), function);
  }
  fields.add("act", &Recipe::act, activations, "activation function; auto: the network's own");
  fields.add("bn-eps", &Recipe::bn_eps, "epsilon of every batch norm; auto: the network's own", {0, 1});
  using Padding = Recipe::Padding;
  fields.add("padding", &Recipe::padding,
             Choices<Padding>{{"auto", Padding::usual}, {"symmetric", Padding::symmetric}, {"same", Padding::same}},
             "of convolutions with strides: on either side alike, or as TensorFlow's \"same\"; auto: symmetric");
  fields.add("acnet", &Recipe::acnet, "turn every k x k convolution into ACNet's k x k, k x 1 and 1 x k branches");
  fields.add("initial-checkpoint", &Recipe::initial_checkpoint,
             "weights to start from: a model file, or any file that `convoy import` reads");
  fields.add("freeze", &Recipe::freeze, "modules that keep their weights, separated by commas, or all-but-head");
  using FreezeStats = Recipe::FreezeStats;
  fields.add(
      "freeze-stats", &Recipe::freeze_stats,
      Choices<FreezeStats>{{"frozen", FreezeStats::frozen}, {"none", FreezeStats::none}, {"all", FreezeStats::all}},
      "batch norms that use and keep their stored statistics: those that are frozen as a whole, none, or all");
  fields.add("unfreeze-after", &Recipe::unfreeze_after, "epochs after which what is frozen is trained, too; 0: never",
             {0, 1e9});
}

void add_training(Fields& fields) {
  fields.section("Training");
  fields.add("epochs", &Recipe::epochs, "epochs to train", kCount).identifies_run = false;
  fields
      .add("max-updates", &Recipe::max_updates, "updates after which the run ends within an epoch; 0: all epochs",
           {0, 1e12})
      .identifies_run = false;
  fields.add_or_auto("batch-size", &Recipe::batch_size,
                     "images of a step, on each rank of mpirun; auto: the most that fit into memory", {1, 65536});
  fields
      .add(
          "slices", &Recipe::slices,
          "parts of a step, of batch-size images each, that the ranks of mpirun, or one process, compute in turn, with "
          "the results of so many ranks to the bit; auto: the ranks",
          {1, 65536})
      .identifies_run = false;
  fields.add("sync-bn", &Recipe::sync_bn, "batch norms take the statistics of all ranks of mpirun together");
  fields.add("drop-last", &Recipe::drop_last, "leave out an epoch's last batch where it is smaller than the others");
  fields.add("grad-accum-steps", &Recipe::grad_accum_steps, "steps that make one update", {1, 65536});
  fields.add("precision", &Recipe::precision,
             Choices<Precision>{{"fp32", Precision::fp32}, {"bf16", Precision::bf16}, {"auto", Precision::automatic}},
             "of maps and their gradients; auto: bf16 where the processor has matrix tiles (AMX)");
  fields.add("seed", &Recipe::seed, "of everything random", {0, 9007199254740992});
  fields.add_name("loss", &Recipe::loss, loss_names, "what is minimised; validation reports cross entropy");
  fields.add("smoothing", &Recipe::smoothing, "label smoothing", kShare);
  fields.add("model-ema", &Recipe::model_ema, "validate and save the moving average of the weights");
  fields.add("model-ema-decay", &Recipe::model_ema_decay, "decay rate of that average", {0, 1});
  fields
      .add("patience", &Recipe::patience, "epochs without a better result after which the run ends; 0: never", {0, 1e9})
      .identifies_run = false;
  fields.add("time", &Recipe::time, "minutes after which the run stops, to be resumed; 0: never", {0, 1e9})
      .identifies_run = false;
}

// "sgd, adam and lion"
std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size(); ++i) text += (i == 0 ? "" : i + 1 < names.size() ? ", " : " and ") + names[i];
  return text;
}

// "0.9, for muon 0.95"
std::string usual_momenta() {
  std::string text;
  std::optional<double> usual;
  for (const Optimizer& optimizer : optimizers()) {
    if (!optimizer.momentum || optimizer.momentum == usual) continue;
    text += usual ? fmt::format(", for {} {}", optimizer.name, *optimizer.momentum)
                  : fmt::format("{}", *optimizer.momentum);
    if (!usual) usual = optimizer.momentum;
  }
  return text;
}

// "1 for lamb"
std::string usual_clipping() {
  std::vector<std::string> parts;
  for (const Optimizer& optimizer : optimizers()) {
    if (optimizer.clip_grad > 0) parts.push_back(fmt::format("{} for {}", optimizer.clip_grad, optimizer.name));
  }
  return listed(parts);
}

void add_optimizer(Fields& fields) {
  fields.section("Optimizer");
  using DecayMode = Recipe::DecayMode;
  const auto those = [](bool (*hold)(const Optimizer&)) { return listed(optimizers_where(hold)); };
  fields.add_name(
      "opt", &Recipe::opt, [] { return optimizers_where([](const Optimizer&) { return true; }); }, "optimizer");
  fields.add("lr", &Recipe::lr, "learning rate; auto: from optimizer and batch size", {0, 1000});
  fields.add("momentum", &Recipe::momentum,
             fmt::format("of {}; auto: {}", those([](const Optimizer& one) { return one.momentum.has_value(); }),
                         usual_momenta()),
             kShare);
  fields.add("nesterov", &Recipe::nesterov,
             "Nesterov's momentum for " + those([](const Optimizer& one) { return one.nesterov; }));
  fields.add("opt-betas", &Recipe::opt_betas,
             fmt::format("decay rates of the moments of {}; auto: the optimizer's own",
                         those([](const Optimizer& one) { return one.betas.has_value(); })),
             kShare);
  fields.add("opt-eps", &Recipe::opt_eps,
             fmt::format("added to the denominator of all but {}; auto: the optimizer's own",
                         those([](const Optimizer& one) { return !one.eps; })),
             {0, 1, true});
  fields.add("weight-decay", &Recipe::weight_decay, "weight decay; auto: the optimizer's own", {0, 1000});
  fields.add("decay-mode", &Recipe::decay_mode,
             Choices<DecayMode>{
                 {"auto", DecayMode::optimizers_own}, {"l2", DecayMode::l2}, {"decoupled", DecayMode::decoupled}},
             "add the decay to the gradient, as Paddle's L2Decay, or shrink the weights; auto: the optimizer's own");
  fields.add("decay-norms", &Recipe::decay_norms, "decay norms and biases, too");
  fields.add("bias-lr-scale", &Recipe::bias_lr_scale, "factor of the learning rate of the norms' biases", {0, 1e6});
  fields.add("layer-decay", &Recipe::layer_decay,
             "factor of the learning rate from each layer to the one before it, of blocks as timm's", {0, 1, true});
  fields.add("head-lr-scale", &Recipe::head_lr_scale, "factor of the learning rate of the last linear layer",
             {0, 1e6, true});
  fields.add("clip-grad", &Recipe::clip_grad,
             "largest norm of the gradient; 0: not clipped; auto: " + usual_clipping());
  fields.add("lookahead", &Recipe::lookahead, "updates between two steps of Lookahead's slow weights; 0: off",
             {0, 1e9});
  fields.add("lookahead-decay", &Recipe::lookahead_decay, "decay rate of the slow weights, by update, at the end",
             {0, 1});
}

void add_schedule(Fields& fields) {
  fields.section("Schedule");
  fields.add_name("sched", &Recipe::sched, schedule_names, "learning rate schedule");
  fields.add("sched-on-updates", &Recipe::sched_on_updates, "change the rate with every update, not every epoch");
  fields.add("warmup-epochs", &Recipe::warmup_epochs,
             "epochs in which the rate rises, part of all; auto: a tenth of the run", {0, 1e9});
  fields.add("warmup-lr", &Recipe::warmup_lr, "rate at which it starts to rise", {0, 1000});
  fields.add("min-lr", &Recipe::min_lr, "rate at which cosine, linear and poly end", {0, 1000});
  fields.add("poly-power", &Recipe::poly_power, "poly: power of what is left of the run", {0, 100, true});
  fields.add("pct-start", &Recipe::pct_start, "onecycle: share of the run in which the rate rises",
             {0, 0.999999, true});
  fields.add("div-factor", &Recipe::div_factor, "onecycle: learning rate over the first rate", {0, 1e9, true});
  fields.add("final-div-factor", &Recipe::final_div_factor, "onecycle: first rate over the last", {0, 1e9, true});
  fields.add("cycle-momentum", &Recipe::cycle_momentum, "onecycle: momentum goes from 0.95 to 0.85 and back");
  fields.add("decay-epochs", &Recipe::decay_epochs, "step: epochs between decays", {0, 1e9, true});
  fields.add("decay-milestones", &Recipe::decay_milestones, "multistep: epochs, from 1, that begin a decay", kCount);
  fields.add("decay-rate", &Recipe::decay_rate, "step, multistep: factor of a decay", kProbability);
}

void add_progressive(Fields& fields) {
  fields.section("Progressive learning");
  fields.add("progressive-stages", &Recipe::progressive_stages, "stages in which images and regularisation grow",
             {1, 1000});
  fields.add("progressive-img-size", &Recipe::progressive_img_size, "image size of the first stage; auto: the last's",
             {1, 16384});
  fields.add("progressive-drop", &Recipe::progressive_drop, "dropout of the first stage; auto: the last's", kShare);
  fields.add("progressive-magnitude", &Recipe::progressive_magnitude,
             "magnitude of RandAugment in the first stage; auto: the last's, which aa says", {0, 100});
  fields.add("progressive-mixup", &Recipe::progressive_mixup, "alpha of MixUp in the first stage; auto: the last's",
             {0, 1000});
}

void add_augmentation(Fields& fields) {
  fields.section("Augmentation");
  using Crop = Recipe::Crop;
  fields.add("train-crop", &Recipe::train_crop,
             Choices<Crop>{{"none", Crop::none}, {"padded", Crop::padded}, {"resized", Crop::resized}},
             "part of an image to train on: as in validation, shifted within a border, or of random size and shape");
  fields.add("crop-padding", &Recipe::crop_padding, "padded: border in pixels", {0, 16384});
  using PaddingMode = Recipe::PaddingMode;
  fields.add("crop-padding-mode", &Recipe::crop_padding_mode,
             Choices<PaddingMode>{{"zero", PaddingMode::zero}, {"reflect", PaddingMode::reflect}},
             "padded: what the border shows, black or the image mirrored");
  fields.add("scale", &Recipe::scale, "resized: smallest and largest share of the area", {0, 1, true});
  fields.add("ratio", &Recipe::ratio, "resized: least and greatest width over height", {0, 1000, true});
  fields.add("hflip", &Recipe::hflip, "probability to mirror left and right", kProbability);
  using FlipMode = Recipe::FlipMode;
  fields.add("hflip-mode", &Recipe::hflip_mode,
             Choices<FlipMode>{{"random", FlipMode::random}, {"alternate", FlipMode::alternate}},
             "mirror at random, or at random once and then in every second epoch");
  fields.add("vflip", &Recipe::vflip, "probability to mirror top and bottom", kProbability);
  fields.add("rotate", &Recipe::rotate, "largest rotation either way, in degrees", {0, 180});
  fields.add("aa", &Recipe::aa,
             "RandAugment and its like: rand-m9-mstd0.5-inc1, original, v0, imagenet, cifar10, trivial, augmix-m3");
  fields.add("color-jitter", &Recipe::color_jitter,
             "largest change of brightness, contrast and saturation, or of each and of the hue", kProbability);
  fields.add("reprob", &Recipe::reprob, "probability to erase a rectangle", kProbability);
  using EraseMode = Recipe::EraseMode;
  fields.add(
      "remode", &Recipe::remode,
      Choices<EraseMode>{{"const", EraseMode::constant}, {"rand", EraseMode::color}, {"pixel", EraseMode::pixels}},
      "what it shows: the mean colour, a random one, or random pixels");
  fields.add("recount", &Recipe::recount, "most rectangles to erase", {1, 1000});
  fields.add("augment-order", &Recipe::augment_order, "order in which those of these steps happen that are on");
  fields.add("mixup", &Recipe::mixup, "alpha of MixUp; 0: off", {0, 1000});
  fields.add("cutmix", &Recipe::cutmix, "alpha of CutMix; 0: off", {0, 1000});
  fields.add("mixup-prob", &Recipe::mixup_prob, "probability to mix where MixUp or CutMix is on", kProbability);
  fields.add("mixup-switch-prob", &Recipe::mixup_switch_prob, "probability of CutMix where both are on", kProbability);
  using MixMode = Recipe::MixMode;
  fields.add("mixup-mode", &Recipe::mixup_mode,
             Choices<MixMode>{{"batch", MixMode::batch}, {"pair", MixMode::pair}, {"elem", MixMode::element}},
             "what shares a mixture: a batch, two images, or none");
  fields.add("mixup-off-epoch", &Recipe::mixup_off_epoch, "first epoch, from 0, without mixing; 0: all are mixed",
             {0, 1e9});
}

void add_preprocessing(Fields& fields) {
  fields.section("Preprocessing");
  using Resize = Recipe::Resize;
  using Interpolation = Recipe::Interpolation;
  fields.add("resize-mode", &Recipe::resize_mode, Choices<Resize>{{"crop", Resize::crop}, {"squash", Resize::squash}},
             "keep the shape and crop the centre, or change the shape");
  fields.add("crop-pct", &Recipe::crop_pct, "crop: share of the shorter side that is kept", {0.01, 1});
  fields.add("interpolation", &Recipe::interpolation,
             Choices<Interpolation>{{"nearest", Interpolation::nearest},
                                    {"box", Interpolation::box},
                                    {"bilinear", Interpolation::bilinear},
                                    {"bicubic", Interpolation::bicubic}},
             "how pixels are resampled");
  fields.add("mean", &Recipe::mean, "of red, green and blue in [0, 1]", {-100, 100});
  fields.add("std", &Recipe::std, "deviation of red, green and blue", {0, 100, true});
}

void add_run(Fields& fields) {
  fields.section("Run");
  fields.add("output", &Recipe::output, "folder of the run folders").identifies_run = false;
  fields.add("experiment", &Recipe::experiment, "name of the run folder; without it, the network's").identifies_run =
      false;
  fields.add("resume", &Recipe::resume, "continue the run of that folder, or start where there is none")
      .identifies_run = false;
  fields.add("threads", &Recipe::threads, "threads that compute; 0: one a processor", {0, 4096}).identifies_run = false;
  fields
      .add_bytes("memory", &Recipe::memory,
                 "most memory to use, such as 1.5G; what does not fit is computed again; auto: what is free")
      .identifies_run = false;
  fields.add("workers", &Recipe::workers, "threads that prepare images", {0, 4096}).identifies_run = false;
  using ReduceDtype = Recipe::ReduceDtype;
  fields
      .add("reduce-dtype", &Recipe::reduce_dtype,
           Choices<ReduceDtype>{{"fp32", ReduceDtype::fp32}, {"bf16", ReduceDtype::bf16}},
           "as what gradients go from rank to rank of mpirun")
      .identifies_run = false;
  using Cache = Recipe::Cache;
  fields
      .add("cache", &Recipe::cache, Choices<Cache>{{"ram", Cache::ram}, {"disk", Cache::disk}, {"none", Cache::none}},
           "where decoded images are kept: in memory, 512 MiB at most, in files that later runs find again, or nowhere")
      .identifies_run = false;
  fields
      .add("cache-dir", &Recipe::cache_dir, "disk: folder of the files; without it, convoy in the user's cache folder")
      .identifies_run = false;
  fields.add("cache-size", &Recipe::cache_size, "disk: most gigabytes; at most half of what could be free", {0, 1e6})
      .identifies_run = false;
  fields
      .add("save-best-above", &Recipe::save_best_above,
           "validation accuracy above which best.safetensors is written; auto: always", kProbability)
      .identifies_run = false;
  fields.add("eval-interval", &Recipe::eval_interval, "epochs between validations", kCount).identifies_run = false;
  fields.add("checkpoint-interval", &Recipe::checkpoint_interval, "epochs between saves", kCount).identifies_run =
      false;
  fields.add("log-interval", &Recipe::log_interval, "steps between logged values", kCount).identifies_run = false;
}

}  // namespace

const std::vector<RecipeField>& recipe_fields() {
  static const std::vector<RecipeField> list = [] {
    Fields fields;
    add_data(fields);
    add_network(fields);
    add_training(fields);
    add_optimizer(fields);
    add_schedule(fields);
    add_progressive(fields);
    add_augmentation(fields);
    add_preprocessing(fields);
    add_run(fields);
    return fields.take();
  }();
  return list;
}

}  // namespace convoy
