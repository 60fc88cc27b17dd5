// Uses the installed library as another project would; exits 0 when it answers as it should.
#include <convoy/activation.h>
#include <convoy/error.h>
#include <convoy/shape.h>

int main() {
  if (convoy::Shape{2, 7, 7, 64}.to_string() != "2x7x7x64") return 1;
  if (convoy::to_string(convoy::Activation::relu) != "relu") return 1;
  try {
    convoy::Shape{0};
  } catch (const convoy::Error&) {
    return 0;
  }
  return 1;
}
