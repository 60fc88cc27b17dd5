// Augmentation policies: RandAugment, AutoAugment, TrivialAugmentWide and AugMix.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/random.h"
#include "data/auto_augment_policies.h"
#include "data/image_op.h"
#include "data/own_augmentation.h"

namespace convoy {

// What the policies below are called, without settings.
std::vector<std::string> policy_names();

// Draws image ops by one of these policies, written as timm writes them:
// - rand-m9-n2-p0.5-mstd0.5-inc1-mmax10: timm's RandAugment (Cubuk et al., arXiv 1909.13719), n of 15 ops, each with
//   probability p, of magnitude m of 10, normally distributed by mstd (above 100: uniform up to m) and at most mmax;
//   inc1: all ops grow stronger with m
// - original, originalr, v0, v0r: timm's AutoAugment for ImageNet (Cubuk et al., arXiv 1805.09501), mstd allowed
// - imagenet, cifar10: torchvision's AutoAugment
// - trivial: torchvision's TrivialAugmentWide (Mueller and Hutter, arXiv 2103.10158)
// - augmix-m3-w3-d2-a1: timm's AugMix (Hendrycks et al., arXiv 1912.02781), w chains of d ops (without d: 1 to 3)
//   mixed by Dirichlet(a), and that with the image by Beta(a, a); mstd allowed, else uniform up to m
// `autoaugment` is `original`. Or it is an augmentation of the program's own, by its name (convoy/own_augmentation.h).
class AutoAugment {
 public:
  // Throws UsageError that says what may be written.
  explicit AutoAugment(std::string_view description);

  // The setting m of RandAugment and AugMix; 0 of the other policies.
  double magnitude() const { return magnitude_; }

  // The ops for an image of that size, in order; of AugMix those of one chain; none of a program's own augmentation.
  std::vector<ImageStep> draw(int width, int height, RandomStream& random) const;

  // Draws and applies. warp: of timm's policies; torchvision's take the nearest pixel, or black.
  void operator()(Image& image, const Warp& warp, RandomStream& random) const;

 private:
  enum class Noise {
    none,
    normal,   // the level is drawn about its own
    uniform,  // the level is drawn from 0 to its own
    bins      // the level is one of 31 from 0 to 1
  };
  // An op that a draw may apply.
  struct Candidate {
    const OpRule* rule = nullptr;
    double probability = 1;
    double level = 0;  // tenths of a magnitude: mostly in [0, 1]
  };
  using Sequence = std::vector<Candidate>;
  // "m9-n2" as pairs of a name and a number.
  using Settings = std::vector<std::pair<std::string_view, double>>;

  void parse_trivial(const Settings& settings);
  void parse_rand(const Settings& settings);
  void parse_augmix(const Settings& settings);
  void parse_policy(const Policy& policy, const Settings& settings);
  void offer(std::span<const std::string_view> names, double probability, double level);
  void set_noise(double deviation);
  double draw_level(double level, RandomStream& random) const;
  void mix_chains(Image& image, const Warp& warp, RandomStream& random) const;

  std::shared_ptr<const OwnAugmentation> own_;  // of the program; null: a policy
  std::vector<Sequence> sequences_;             // each draw takes one
  double magnitude_ = 0;
  int draws_ = 1;  // 0: 1 to 3
  Noise noise_ = Noise::none;
  double deviation_ = 0;
  double max_level_ = 1;
  bool plain_warp_ = false;  // torchvision's
  int chains_ = 0;           // of AugMix; 0: it is none
  double alpha_ = 1;
};

}  // namespace convoy
