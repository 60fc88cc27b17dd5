#include <fmt/format.h>

#include <algorithm>

#include "convoy/error.h"
#include "convoy/model.h"
#include "core/text.h"
#include "models/families.h"

namespace convoy {
namespace {

std::vector<Model>& registry() {
  static std::vector<Model> all = [] {
    std::vector<Model> models = built_in_models();
    std::sort(models.begin(), models.end(), [](const Model& a, const Model& b) { return a.name < b.name; });
    return models;
  }();
  return all;
}

}  // namespace

const std::vector<Model>& models() { return registry(); }

const Model& find_model(std::string_view name) {
  std::vector<std::string> names;
  for (const Model& model : models()) {
    if (model.name == name) return model;
    names.push_back(model.name);
  }
  throw UsageError(unknown_name("model", name, names) + "; `convoy models` lists all");
}

void add_model(Model model) {
  std::vector<Model>& all = registry();
  const auto place = std::lower_bound(all.begin(), all.end(), model.name,
                                      [](const Model& a, const std::string& name) { return a.name < name; });
  if (place != all.end() && place->name == model.name) {
    throw Error(fmt::format("there is already a model named '{}'", model.name));
  }
  all.insert(place, std::move(model));
}

}  // namespace convoy
