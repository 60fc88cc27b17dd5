#include "data/auto_augment.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "convoy/error.h"
#include "core/text.h"
#include "data/mix.h"

namespace convoy {
namespace {

constexpr double kFullMagnitude = 10;

constexpr std::array<std::string_view, 15> kRand{
    "AutoContrast", "Equalize",   "Invert",    "Rotate", "Posterize", "Solarize",      "SolarizeAdd",  "Color",
    "Contrast",     "Brightness", "Sharpness", "ShearX", "ShearY",    "TranslateXRel", "TranslateYRel"};
constexpr std::array<std::string_view, 15> kRandIncreasing{"AutoContrast",
                                                           "Equalize",
                                                           "Invert",
                                                           "Rotate",
                                                           "PosterizeIncreasing",
                                                           "SolarizeIncreasing",
                                                           "SolarizeAdd",
                                                           "ColorIncreasing",
                                                           "ContrastIncreasing",
                                                           "BrightnessIncreasing",
                                                           "SharpnessIncreasing",
                                                           "ShearX",
                                                           "ShearY",
                                                           "TranslateXRel",
                                                           "TranslateYRel"};
constexpr std::array<std::string_view, 13> kAugMix{
    "AutoContrast", "ColorIncreasing", "ContrastIncreasing",  "BrightnessIncreasing", "SharpnessIncreasing",
    "Equalize",     "Rotate",          "PosterizeIncreasing", "SolarizeIncreasing",   "ShearX",
    "ShearY",       "TranslateXMix",   "TranslateYMix"};

std::vector<std::string_view> split_at_dashes(std::string_view text) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t dash = text.find('-');
    parts.push_back(text.substr(0, dash));
    if (dash == std::string_view::npos) return parts;
    text.remove_prefix(dash + 1);
  }
}

// "mstd0.5" as "mstd" and 0.5.
std::pair<std::string_view, double> parse_setting(std::string_view text, std::string_view description) {
  const size_t digits = std::min(text.find_first_of("0123456789"), text.size());
  double value = 0;
  const auto [end, error] = std::from_chars(text.data() + digits, text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
    throw UsageError(fmt::format("aa: expected letters and a number such as m9 between dashes, got '{}' in '{}'", text,
                                 description));
  }
  return {text.substr(0, digits), value};
}

[[noreturn]] void refuse_setting(std::string_view policy, std::string_view name, std::string_view known) {
  throw UsageError(fmt::format("aa: {} has no setting '{}'; it has {}", policy, name, known));
}

int to_int(std::string_view name, double value, int low, int high) {
  if (value < low || value > high || value != std::floor(value)) {
    throw UsageError(fmt::format("aa: expected {} to be an integer from {} to {}, got {}", name, low, high, value));
  }
  return static_cast<int>(value);
}

}  // namespace

std::vector<std::string> policy_names() {
  std::vector<std::string> names{"rand", "augmix", "trivial"};
  for (const Policy& policy : auto_augment_policies()) names.emplace_back(policy.name);
  return names;
}

AutoAugment::AutoAugment(std::string_view description) : own_(find_own_augmentation(description)) {
  if (own_ != nullptr) return;
  const std::vector<std::string> own_names = augmentation_names();
  if (const std::string meant = nearest(description, own_names); !meant.empty()) {
    throw UsageError(fmt::format("aa: {}", unknown_name("augmentation", description, own_names)));
  }
  const std::vector<std::string_view> parts = split_at_dashes(description);
  Settings settings;
  for (size_t i = 1; i < parts.size(); ++i) settings.push_back(parse_setting(parts[i], description));
  const std::string_view name = parts.front() == "autoaugment" ? "original" : parts.front();
  const std::span<const Policy> policies = auto_augment_policies();
  const auto policy = std::ranges::find(policies, name, &Policy::name);
  if (policy != policies.end()) {
    parse_policy(*policy, settings);
  } else if (name == "rand") {
    parse_rand(settings);
  } else if (name == "augmix") {
    parse_augmix(settings);
  } else if (name == "trivial") {
    parse_trivial(settings);
  } else {
    const std::vector<std::string> known = policy_names();
    throw UsageError(fmt::format("aa: {}; there are {}", unknown_name("policy", name, known), fmt::join(known, ", ")));
  }
}

void AutoAugment::parse_trivial(const Settings& settings) {
  if (!settings.empty()) refuse_setting("trivial", settings.front().first, "none");
  for (const OpRule& rule : trivial_rules()) sequences_.push_back({{&rule, 1.0, 0.0}});
  noise_ = Noise::bins;
  plain_warp_ = true;
}

void AutoAugment::offer(std::span<const std::string_view> names, double probability, double level) {
  for (const std::string_view name : names) {
    sequences_.push_back({{&find_rule(timm_rules(), name), probability, level}});
  }
}

void AutoAugment::set_noise(double deviation) {
  constexpr double kUniformAbove = 100;
  noise_ = deviation > kUniformAbove ? Noise::uniform : deviation > 0 ? Noise::normal : Noise::none;
  deviation_ = deviation / kFullMagnitude;
}

void AutoAugment::parse_rand(const Settings& settings) {
  double probability = 0.5;
  magnitude_ = kFullMagnitude;
  bool increasing = false;
  draws_ = 2;
  for (const auto& [name, value] : settings) {
    if (name == "m") {
      magnitude_ = value;
    } else if (name == "n") {
      draws_ = to_int(name, value, 1, 100);
    } else if (name == "p") {
      if (value > 1) throw UsageError(fmt::format("aa: expected p to be a probability from 0 to 1, got {}", value));
      probability = value;
    } else if (name == "mstd") {
      set_noise(value);
    } else if (name == "mmax") {
      max_level_ = to_int(name, value, 1, 100) / kFullMagnitude;
    } else if (name == "inc") {
      increasing = to_int(name, value, 0, 1) == 1;
    } else {
      refuse_setting("rand", name, "m, n, p, mstd, mmax, inc");
    }
  }
  offer(increasing ? kRandIncreasing : kRand, probability, magnitude_ / kFullMagnitude);
}

void AutoAugment::parse_augmix(const Settings& settings) {
  magnitude_ = 3;
  chains_ = 3;
  draws_ = 0;
  noise_ = Noise::uniform;
  for (const auto& [name, value] : settings) {
    if (name == "m") {
      magnitude_ = value;
    } else if (name == "w") {
      chains_ = to_int(name, value, 1, 100);
    } else if (name == "d") {
      draws_ = to_int(name, value, 1, 100);
    } else if (name == "a") {
      if (value <= 0) throw UsageError(fmt::format("aa: expected a to be above 0, got {}", value));
      alpha_ = value;
    } else if (name == "mstd") {
      set_noise(value);
    } else {
      refuse_setting("augmix", name, "m, w, d, a, mstd");
    }
  }
  offer(kAugMix, 1.0, magnitude_ / kFullMagnitude);
}

void AutoAugment::parse_policy(const Policy& policy, const Settings& settings) {
  plain_warp_ = policy.rules.data() != timm_rules().data();
  for (const auto& [name, value] : settings) {
    if (plain_warp_) refuse_setting(policy.name, name, "none");
    if (name != "mstd") refuse_setting(policy.name, name, "mstd");
    set_noise(value);
  }
  for (const SubPolicy& sub_policy : policy.sub_policies) {
    Sequence& sequence = sequences_.emplace_back();
    for (const auto& [name, probability, magnitude] : sub_policy) {
      const OpRule& rule = find_rule(policy.rules, name == "Posterize" ? policy.posterize : name);
      sequence.push_back({&rule, probability, magnitude / policy.full_magnitude});
    }
  }
}

double AutoAugment::draw_level(double level, RandomStream& random) const {
  constexpr uint32_t kBins = 31;
  switch (noise_) {
    case Noise::none: break;
    case Noise::normal: level += deviation_ * random.normal(); break;
    case Noise::uniform: level *= random.uniform(); break;
    case Noise::bins: level = static_cast<double>(random.below(kBins)) / (kBins - 1); break;
  }
  return std::clamp(level, 0.0, max_level_);
}

std::vector<ImageStep> AutoAugment::draw(int width, int height, RandomStream& random) const {
  std::vector<ImageStep> steps;
  if (sequences_.empty()) return steps;
  const int draws = draws_ > 0 ? draws_ : 1 + static_cast<int>(random.below(3));
  for (int i = 0; i < draws; ++i) {
    for (const auto& [rule, probability, own_level] :
         sequences_[random.below(static_cast<uint32_t>(sequences_.size()))]) {
      if (probability < 1 && random.uniform() >= probability) continue;
      const double level = draw_level(own_level, random);
      const bool vertical = rule->op == ImageOp::translate_y;
      double argument = rule->argument(level, vertical ? height : width);
      if (rule->sign != OpRule::Sign::none && random.below(2) == 1) argument = -argument;
      if (rule->sign == OpRule::Sign::around_one) argument = std::max(rule->least, 1 + argument);
      steps.push_back({rule->op, argument});
    }
  }
  return steps;
}

void AutoAugment::operator()(Image& image, const Warp& warp, RandomStream& random) const {
  if (own_ != nullptr) return apply(*own_, image, random);
  const Warp used = plain_warp_ ? Warp{} : warp;
  if (chains_ > 0) return mix_chains(image, used, random);
  for (const ImageStep& step : draw(image.width(), image.height(), random)) apply(step, used, image);
}

void AutoAugment::mix_chains(Image& image, const Warp& warp, RandomStream& random) const {
  std::vector<double> weights(static_cast<size_t>(chains_));
  for (double& weight : weights) weight = gamma_sample(alpha_, random);
  double sum = 0;
  for (const double weight : weights) sum += weight;
  const auto share = static_cast<float>(beta_sample(alpha_, random));
  std::vector<float> mixed(image.bytes());
  for (const double weight : weights) {
    Image chain = copy_of(image.view());
    for (const ImageStep& step : draw(image.width(), image.height(), random)) apply(step, warp, chain);
    const auto part = static_cast<float>(sum > 0 ? weight / sum : 1.0 / chains_);
    for (size_t i = 0; i < mixed.size(); ++i) mixed[i] += part * static_cast<float>(chain.row(0)[i]);
  }
  uint8_t* pixels = image.row(0);
  for (size_t i = 0; i < mixed.size(); ++i) {
    const float from = pixels[i], to = std::floor(std::min(mixed[i], 255.0F));
    pixels[i] = static_cast<uint8_t>(from + share * (to - from));
  }
}

}  // namespace convoy
