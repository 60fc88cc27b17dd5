// Rules of timm/data/auto_augment.py and torchvision/transforms/autoaugment.py; their policies are those of AutoAugment
// (arXiv 1805.09501), v0 that of TensorFlow's TPU EfficientNet.
#include "data/auto_augment_policies.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace convoy {
namespace {

using enum OpRule::Sign;

double nothing(double /*level*/, int /*side*/) { return 0; }

// Of timm's rules that cut a fraction off.
int part(double level, int whole) { return static_cast<int>(level * whole); }
double timm_enhance(double level, int /*side*/) { return level * 1.8 + 0.1; }
double timm_change(double level, int /*side*/) { return level * 0.9; }
double timm_shear(double level, int /*side*/) { return level * 0.3; }
double timm_translate(double level, int side) { return level * 0.45 * side; }
// AugMix moves less: translate_pct of timm's transforms_factory.py.
double augmix_translate(double level, int side) { return level * 0.3 * side; }
double timm_rotate(double level, int /*side*/) { return level * 30; }
double timm_solarize(double level, int /*side*/) { return std::min(256, part(level, 256)); }

constexpr double kTimmLeast = 0.1;
constexpr std::array<OpRule, 24> kTimmRules{{
    {"AutoContrast", ImageOp::auto_contrast, nothing},
    {"Equalize", ImageOp::equalize, nothing},
    {"Invert", ImageOp::invert, nothing},
    {"Rotate", ImageOp::rotate, timm_rotate, either},
    {"Posterize", ImageOp::posterize, [](double level, int) -> double { return std::min(8, part(level, 4)); }},
    {"PosterizeIncreasing", ImageOp::posterize,
     [](double level, int) -> double { return std::max(0, 4 - part(level, 4)); }},
    {"PosterizeOriginal", ImageOp::posterize,
     [](double level, int) -> double { return std::min(8, 4 + part(level, 4)); }},
    {"Solarize", ImageOp::solarize, timm_solarize},
    {"SolarizeIncreasing", ImageOp::solarize, [](double level, int side) { return 256 - timm_solarize(level, side); }},
    {"SolarizeAdd", ImageOp::solarize_add, [](double level, int) -> double { return std::min(128, part(level, 110)); }},
    {"Color", ImageOp::color, timm_enhance},
    {"ColorIncreasing", ImageOp::color, timm_change, around_one, kTimmLeast},
    {"Contrast", ImageOp::contrast, timm_enhance},
    {"ContrastIncreasing", ImageOp::contrast, timm_change, around_one, kTimmLeast},
    {"Brightness", ImageOp::brightness, timm_enhance},
    {"BrightnessIncreasing", ImageOp::brightness, timm_change, around_one, kTimmLeast},
    {"Sharpness", ImageOp::sharpness, timm_enhance},
    {"SharpnessIncreasing", ImageOp::sharpness, timm_change, around_one, kTimmLeast},
    {"ShearX", ImageOp::shear_x, timm_shear, either},
    {"ShearY", ImageOp::shear_y, timm_shear, either},
    {"TranslateXRel", ImageOp::translate_x, timm_translate, either},
    {"TranslateYRel", ImageOp::translate_y, timm_translate, either},
    {"TranslateXMix", ImageOp::translate_x, augmix_translate, either},
    {"TranslateYMix", ImageOp::translate_y, augmix_translate, either},
}};

double tv_change(double level, int /*side*/) { return level * 0.9; }
double tv_shear(double level, int /*side*/) { return level * 0.3; }
double tv_translate(double level, int side) { return std::trunc(level * (150.0 / 331.0 * side)); }
double tv_solarize(double level, int /*side*/) { return 255 * (1 - level); }

constexpr std::array<OpRule, 14> kTorchvisionRules{{
    {"ShearX", ImageOp::shear_x, tv_shear, either},
    {"ShearY", ImageOp::shear_y, tv_shear, either},
    {"TranslateX", ImageOp::translate_x, tv_translate, either},
    {"TranslateY", ImageOp::translate_y, tv_translate, either},
    {"Rotate", ImageOp::rotate, [](double level, int) { return level * 30; }, either},
    {"Brightness", ImageOp::brightness, tv_change, around_one},
    {"Color", ImageOp::color, tv_change, around_one},
    {"Contrast", ImageOp::contrast, tv_change, around_one},
    {"Sharpness", ImageOp::sharpness, tv_change, around_one},
    {"Posterize", ImageOp::posterize, [](double level, int) { return 8 - std::nearbyint(level * 4); }},
    {"Solarize", ImageOp::solarize, tv_solarize},
    {"AutoContrast", ImageOp::auto_contrast, nothing},
    {"Equalize", ImageOp::equalize, nothing},
    {"Invert", ImageOp::invert, nothing},
}};

double wide_change(double level, int /*side*/) { return level * 0.99; }
// torch.linspace(0, 32, 31) has steps in single precision, from either end: its 16th value is a little less than 16.
double wide_translate(double level, int /*side*/) {
  constexpr double kStep = 32.0F / 30;
  const double bin = std::nearbyint(level * 30);
  return std::trunc(bin < 15 ? kStep * bin : 32 - kStep * (30 - bin));
}

constexpr std::array<OpRule, 14> kTrivialRules{{
    {"Identity", ImageOp::identity, nothing},
    {"ShearX", ImageOp::shear_x, wide_change, either},
    {"ShearY", ImageOp::shear_y, wide_change, either},
    {"TranslateX", ImageOp::translate_x, wide_translate, either},
    {"TranslateY", ImageOp::translate_y, wide_translate, either},
    {"Rotate", ImageOp::rotate, [](double level, int) { return level * 135; }, either},
    {"Brightness", ImageOp::brightness, wide_change, around_one},
    {"Color", ImageOp::color, wide_change, around_one},
    {"Contrast", ImageOp::contrast, wide_change, around_one},
    {"Sharpness", ImageOp::sharpness, wide_change, around_one},
    {"Posterize", ImageOp::posterize, [](double level, int) { return 8 - std::nearbyint(level * 6); }},
    {"Solarize", ImageOp::solarize, tv_solarize},
    {"AutoContrast", ImageOp::auto_contrast, nothing},
    {"Equalize", ImageOp::equalize, nothing},
}};

constexpr std::array<SubPolicy, 25> kOriginal{{
    {{{"Posterize", 0.4, 8}, {"Rotate", 0.6, 9}}},  {{{"Solarize", 0.6, 5}, {"AutoContrast", 0.6, 5}}},
    {{{"Equalize", 0.8, 8}, {"Equalize", 0.6, 3}}}, {{{"Posterize", 0.6, 7}, {"Posterize", 0.6, 6}}},
    {{{"Equalize", 0.4, 7}, {"Solarize", 0.2, 4}}}, {{{"Equalize", 0.4, 4}, {"Rotate", 0.8, 8}}},
    {{{"Solarize", 0.6, 3}, {"Equalize", 0.6, 7}}}, {{{"Posterize", 0.8, 5}, {"Equalize", 1, 2}}},
    {{{"Rotate", 0.2, 3}, {"Solarize", 0.6, 8}}},   {{{"Equalize", 0.6, 8}, {"Posterize", 0.4, 6}}},
    {{{"Rotate", 0.8, 8}, {"Color", 0.4, 0}}},      {{{"Rotate", 0.4, 9}, {"Equalize", 0.6, 2}}},
    {{{"Equalize", 0, 7}, {"Equalize", 0.8, 8}}},   {{{"Invert", 0.6, 4}, {"Equalize", 1, 8}}},
    {{{"Color", 0.6, 4}, {"Contrast", 1, 8}}},      {{{"Rotate", 0.8, 8}, {"Color", 1, 2}}},
    {{{"Color", 0.8, 8}, {"Solarize", 0.8, 7}}},    {{{"Sharpness", 0.4, 7}, {"Invert", 0.6, 8}}},
    {{{"ShearX", 0.6, 5}, {"Equalize", 1, 9}}},     {{{"Color", 0.4, 0}, {"Equalize", 0.6, 3}}},
    {{{"Equalize", 0.4, 7}, {"Solarize", 0.2, 4}}}, {{{"Solarize", 0.6, 5}, {"AutoContrast", 0.6, 5}}},
    {{{"Invert", 0.6, 4}, {"Equalize", 1, 8}}},     {{{"Color", 0.6, 4}, {"Contrast", 1, 8}}},
    {{{"Equalize", 0.8, 8}, {"Equalize", 0.6, 3}}},
}};

constexpr std::array<SubPolicy, 25> kV0{{
    {{{"Equalize", 0.8, 1}, {"ShearY", 0.8, 4}}},
    {{{"Color", 0.4, 9}, {"Equalize", 0.6, 3}}},
    {{{"Color", 0.4, 1}, {"Rotate", 0.6, 8}}},
    {{{"Solarize", 0.8, 3}, {"Equalize", 0.4, 7}}},
    {{{"Solarize", 0.4, 2}, {"Solarize", 0.6, 2}}},
    {{{"Color", 0.2, 0}, {"Equalize", 0.8, 8}}},
    {{{"Equalize", 0.4, 8}, {"SolarizeAdd", 0.8, 3}}},
    {{{"ShearX", 0.2, 9}, {"Rotate", 0.6, 8}}},
    {{{"Color", 0.6, 1}, {"Equalize", 1, 2}}},
    {{{"Invert", 0.4, 9}, {"Rotate", 0.6, 0}}},
    {{{"Equalize", 1, 9}, {"ShearY", 0.6, 3}}},
    {{{"Color", 0.4, 7}, {"Equalize", 0.6, 0}}},
    {{{"Posterize", 0.4, 6}, {"AutoContrast", 0.4, 7}}},
    {{{"Solarize", 0.6, 8}, {"Color", 0.6, 9}}},
    {{{"Solarize", 0.2, 4}, {"Rotate", 0.8, 9}}},
    {{{"Rotate", 1, 7}, {"TranslateYRel", 0.8, 9}}},
    {{{"ShearX", 0, 0}, {"Solarize", 0.8, 4}}},
    {{{"ShearY", 0.8, 0}, {"Color", 0.6, 4}}},
    {{{"Color", 1, 0}, {"Rotate", 0.6, 2}}},
    {{{"Equalize", 0.8, 4}, {"Equalize", 0, 8}}},
    {{{"Equalize", 1, 4}, {"AutoContrast", 0.6, 2}}},
    {{{"ShearY", 0.4, 7}, {"SolarizeAdd", 0.6, 7}}},
    {{{"Posterize", 0.8, 2}, {"Solarize", 0.6, 10}}},
    {{{"Solarize", 0.6, 8}, {"Equalize", 0.6, 1}}},
    {{{"Color", 0.8, 6}, {"Rotate", 0.4, 5}}},
}};

constexpr std::array<SubPolicy, 25> kImageNet{{
    {{{"Posterize", 0.4, 8}, {"Rotate", 0.6, 9}}},  {{{"Solarize", 0.6, 5}, {"AutoContrast", 0.6, 0}}},
    {{{"Equalize", 0.8, 0}, {"Equalize", 0.6, 0}}}, {{{"Posterize", 0.6, 7}, {"Posterize", 0.6, 6}}},
    {{{"Equalize", 0.4, 0}, {"Solarize", 0.2, 4}}}, {{{"Equalize", 0.4, 0}, {"Rotate", 0.8, 8}}},
    {{{"Solarize", 0.6, 3}, {"Equalize", 0.6, 0}}}, {{{"Posterize", 0.8, 5}, {"Equalize", 1, 0}}},
    {{{"Rotate", 0.2, 3}, {"Solarize", 0.6, 8}}},   {{{"Equalize", 0.6, 0}, {"Posterize", 0.4, 6}}},
    {{{"Rotate", 0.8, 8}, {"Color", 0.4, 0}}},      {{{"Rotate", 0.4, 9}, {"Equalize", 0.6, 0}}},
    {{{"Equalize", 0, 0}, {"Equalize", 0.8, 0}}},   {{{"Invert", 0.6, 0}, {"Equalize", 1, 0}}},
    {{{"Color", 0.6, 4}, {"Contrast", 1, 8}}},      {{{"Rotate", 0.8, 8}, {"Color", 1, 2}}},
    {{{"Color", 0.8, 8}, {"Solarize", 0.8, 7}}},    {{{"Sharpness", 0.4, 7}, {"Invert", 0.6, 0}}},
    {{{"ShearX", 0.6, 5}, {"Equalize", 1, 0}}},     {{{"Color", 0.4, 0}, {"Equalize", 0.6, 0}}},
    {{{"Equalize", 0.4, 0}, {"Solarize", 0.2, 4}}}, {{{"Solarize", 0.6, 5}, {"AutoContrast", 0.6, 0}}},
    {{{"Invert", 0.6, 0}, {"Equalize", 1, 0}}},     {{{"Color", 0.6, 4}, {"Contrast", 1, 8}}},
    {{{"Equalize", 0.8, 0}, {"Equalize", 0.6, 0}}},
}};

constexpr std::array<SubPolicy, 25> kCifar10{{
    {{{"Invert", 0.1, 0}, {"Contrast", 0.2, 6}}},         {{{"Rotate", 0.7, 2}, {"TranslateX", 0.3, 9}}},
    {{{"Sharpness", 0.8, 1}, {"Sharpness", 0.9, 3}}},     {{{"ShearY", 0.5, 8}, {"TranslateY", 0.7, 9}}},
    {{{"AutoContrast", 0.5, 0}, {"Equalize", 0.9, 0}}},   {{{"ShearY", 0.2, 7}, {"Posterize", 0.3, 7}}},
    {{{"Color", 0.4, 3}, {"Brightness", 0.6, 7}}},        {{{"Sharpness", 0.3, 9}, {"Brightness", 0.7, 9}}},
    {{{"Equalize", 0.6, 0}, {"Equalize", 0.5, 0}}},       {{{"Contrast", 0.6, 7}, {"Sharpness", 0.6, 5}}},
    {{{"Color", 0.7, 7}, {"TranslateX", 0.5, 8}}},        {{{"Equalize", 0.3, 0}, {"AutoContrast", 0.4, 0}}},
    {{{"TranslateY", 0.4, 3}, {"Sharpness", 0.2, 6}}},    {{{"Brightness", 0.9, 6}, {"Color", 0.2, 8}}},
    {{{"Solarize", 0.5, 2}, {"Invert", 0, 0}}},           {{{"Equalize", 0.2, 0}, {"AutoContrast", 0.6, 0}}},
    {{{"Equalize", 0.2, 0}, {"Equalize", 0.6, 0}}},       {{{"Color", 0.9, 9}, {"Equalize", 0.6, 0}}},
    {{{"AutoContrast", 0.8, 0}, {"Solarize", 0.2, 8}}},   {{{"Brightness", 0.1, 3}, {"Color", 0.7, 0}}},
    {{{"Solarize", 0.4, 5}, {"AutoContrast", 0.9, 0}}},   {{{"TranslateY", 0.9, 9}, {"TranslateY", 0.7, 9}}},
    {{{"AutoContrast", 0.9, 0}, {"Solarize", 0.8, 3}}},   {{{"Equalize", 0.8, 0}, {"Invert", 0.1, 0}}},
    {{{"TranslateY", 0.7, 9}, {"AutoContrast", 0.9, 0}}},
}};

constexpr std::array<Policy, 6> kPolicies{{
    {"original", kOriginal, kTimmRules, "PosterizeOriginal", 10},
    {"originalr", kOriginal, kTimmRules, "PosterizeIncreasing", 10},
    {"v0", kV0, kTimmRules, "Posterize", 10},
    {"v0r", kV0, kTimmRules, "PosterizeIncreasing", 10},
    {"imagenet", kImageNet, kTorchvisionRules, "Posterize", 9},
    {"cifar10", kCifar10, kTorchvisionRules, "Posterize", 9},
}};

}  // namespace

std::span<const Policy> auto_augment_policies() { return kPolicies; }
std::span<const OpRule> timm_rules() { return kTimmRules; }
std::span<const OpRule> trivial_rules() { return kTrivialRules; }

const OpRule& find_rule(std::span<const OpRule> rules, std::string_view name) {
  const auto found = std::ranges::find(rules, name, &OpRule::name);
  if (found == rules.end()) throw std::logic_error("no augmentation rule " + std::string(name));
  return *found;
}

}  // namespace convoy
