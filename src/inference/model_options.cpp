#include "convoy/model.h"
#include "convoy/recipe.h"

namespace convoy {

ModelOptions model_options(const Recipe& recipe) {
  ModelOptions options;
  if (recipe.drop) options.dropout = static_cast<float>(*recipe.drop);
  if (recipe.drop_path) options.drop_path = static_cast<float>(*recipe.drop_path);
  options.width = recipe.width;
  options.asymmetry_rate = recipe.asymmetry_rate.value_or(-1);
  options.activation = recipe.act;
  options.acnet = recipe.acnet;
  if (recipe.bn_eps) options.bn_eps = static_cast<float>(*recipe.bn_eps);
  options.same_padding = recipe.padding == Recipe::Padding::same;
  return options;
}

}  // namespace convoy
