// The tables of automatic augmentation: policies, and how strong an op is at a level.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "data/image_op.h"

namespace convoy {

// How a level becomes an op's argument.
struct OpRule {
  enum class Sign : uint8_t {
    none,
    either,     // negated half the time
    around_one  // 1 plus or minus it, at least `least`
  };
  std::string_view name;
  ImageOp op = ImageOp::identity;
  // The argument before its sign. side: of the image along the op's direction.
  double (*argument)(double level, int side) = nullptr;
  Sign sign = Sign::none;
  double least = 0;
};

struct PolicyOp {
  std::string_view name;  // of a rule
  double probability = 1;
  int magnitude = 0;  // of 10 (timm) or 0 to 9 (torchvision)
};
using SubPolicy = std::array<PolicyOp, 2>;

struct Policy {
  std::string_view name;
  std::span<const SubPolicy> sub_policies;
  std::span<const OpRule> rules;
  std::string_view posterize;  // the rule that its Posterize stands for
  double full_magnitude = 10;
};

std::span<const Policy> auto_augment_policies();

// The rules of timm's RandAugment, AugMix and policies.
std::span<const OpRule> timm_rules();
// Those of torchvision's TrivialAugmentWide.
std::span<const OpRule> trivial_rules();

// Throws std::logic_error when there is none: the tables are at odds.
const OpRule& find_rule(std::span<const OpRule> rules, std::string_view name);

}  // namespace convoy
