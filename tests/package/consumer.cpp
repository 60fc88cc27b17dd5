// Uses the installed library as another project would; exits 0 when it answers as it should.
#include <convoy/error.h>
#include <convoy/model.h>
#include <convoy/summary.h>
#include <convoy/train.h>
#include <convoy/version.h>

#include <cstdio>
#include <string>

int main() {
  if (convoy::version().empty()) return 1;
  const convoy::Model& model = convoy::find_model("resnet18");
  if (convoy::summarize(model, {}, {1, 224, 224, 3}).total.parameters != 11'689'512) return 1;
  convoy::Recipe recipe;
  recipe.model = "resnet18";
  recipe.data = "no such folder";
  try {
    convoy::train(recipe);
  } catch (const convoy::Error& error) {
    std::puts(error.what());
    return std::string(error.what()).find(recipe.data) == std::string::npos ? 1 : 0;
  }
  return 1;
}
