#include "data/own_augmentation.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "convoy/error.h"
#include "data/auto_augment.h"

namespace convoy {
namespace {

std::vector<std::shared_ptr<const OwnAugmentation>>& registry() {
  static std::vector<std::shared_ptr<const OwnAugmentation>> all;
  return all;
}

// Whether AutoAugment might take it for one of its policies.
bool is_policy(const std::string& name) {
  std::vector<std::string> policies = policy_names();
  policies.emplace_back("autoaugment");
  return std::ranges::find(policies, name.substr(0, name.find('-'))) != policies.end();
}

}  // namespace

std::vector<std::string> augmentation_names() {
  std::vector<std::string> names;
  for (const auto& own : registry()) names.push_back(own->name);
  return names;
}

std::shared_ptr<const OwnAugmentation> find_own_augmentation(std::string_view name) {
  const auto found = std::ranges::find_if(registry(), [&](const auto& own) { return own->name == name; });
  return found == registry().end() ? nullptr : *found;
}

void add_augmentation(std::string name, AugmentFunction augment) {
  if (name.empty()) throw InternalError("augmentation: expected a name, got none");
  if (!augment) throw InternalError(fmt::format("augmentation {}: expected a function, got none", name));
  if (is_policy(name)) {
    throw InternalError(fmt::format("augmentation {}: expected a name that does not begin as a policy's", name));
  }
  if (find_own_augmentation(name) != nullptr) {
    throw InternalError(fmt::format("there is already an augmentation named '{}'", name));
  }
  registry().push_back(std::make_shared<OwnAugmentation>(OwnAugmentation{std::move(name), std::move(augment)}));
}

void apply(const OwnAugmentation& own, Image& image, RandomStream& random) try {
  const uint64_t high = random.next_u32(), low = random.next_u32();
  own.augment({.bytes = {image.row(0), image.bytes()}, .width = image.width(), .height = image.height()},
              high << 32 | low);
} catch (const Error& error) {
  error.rethrow(fmt::format("aa: {}: {}", own.name, error.what()));
} catch (const std::exception& error) {
  throw Error(fmt::format("aa: {}: {}", own.name, error.what()));
} catch (...) {
  throw Error(fmt::format("aa: {}: threw something that is no std::exception", own.name));
}

}  // namespace convoy
