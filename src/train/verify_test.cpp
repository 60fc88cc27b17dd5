// Every network against PyTorch's training step.
#include "train/verify.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "convoy/error.h"
#include "convoy/model.h"
#include "formats/golden.h"
#include "formats/safetensors.h"

namespace convoy {
namespace {

std::filesystem::path golden_file(std::string_view model) {
  return std::filesystem::path(CONVOY_SOURCE_DIR) / "tests" / "golden" / (std::string(model) + ".safetensors");
}

// The networks that come with the library: evaluated before other tests add some of their own.
std::vector<std::string> built_in_networks() {
  std::vector<std::string> names;
  for (const Model& model : models()) names.push_back(model.name);
  return names;
}

const VerifyLine& line(const VerifyReport& report, std::string_view kind) {
  return *std::find_if(report.lines.begin(), report.lines.end(), [&](const VerifyLine& l) { return l.kind == kind; });
}

class VerifyGolden : public testing::TestWithParam<std::string> {};

TEST_P(VerifyGolden, TheStepIsPyTorchs) {
  const VerifyReport report = verify_golden(golden_file(GetParam()));
  EXPECT_EQ(report.model, GetParam());
  EXPECT_GE(report.lines.size(), 5U);
  for (const VerifyLine& l : report.lines) {
    EXPECT_TRUE(l.passed()) << l.kind << " " << l.tensor << ": error " << l.error << ", tolerance " << l.tolerance;
    // Only what is computed from running statistics after a single step may be chaotic.
    EXPECT_TRUE(l.judged() || l.kind == "after/logits") << l.kind << ": tolerance " << l.tolerance;
  }
}

INSTANTIATE_TEST_SUITE_P(, VerifyGolden, testing::ValuesIn(built_in_networks()),
                         [](const auto& info) { return info.param; });

// The references of all ops, forward, backward and update, against PyTorch's float64: what is left is that both are
// read as float32.
TEST(VerifyReference, AgreesToTheLastDigits) {
  for (const char* model : {"resnet9", "mobilenet_v2"}) {
    for (const VerifyLine& l : verify_golden(golden_file(model), reference_backend()).lines) {
      EXPECT_LT(l.error, 5e-7) << model << " " << l.kind << " " << l.tensor;
    }
  }
}

// Rewrites resnet9's golden file with one number of one tensor, or the name of the model, changed.
class DamagedGolden : public testing::Test {
 protected:
  ~DamagedGolden() override { std::filesystem::remove(path_); }

  VerifyReport verify_with(std::string_view tensor, size_t element, double change) {
    return verify(tensor, element, change, "resnet9");
  }
  VerifyReport verify(std::string_view changed, size_t element, double change, const std::string& model) {
    const SafetensorsReader reader(golden_file("resnet9"));
    std::vector<std::vector<double>> values;
    for (const StoredTensor& tensor : reader.tensors()) {
      values.push_back(reader.doubles(tensor.name));
      if (tensor.name == changed) values.back()[element] += change;
    }
    std::vector<TensorToStore> tensors;
    for (size_t i = 0; i < values.size(); ++i) {
      const StoredTensor& tensor = reader.tensors()[i];
      tensors.push_back({tensor.name, DType::f64, tensor.shape, std::as_bytes(std::span(values[i]))});
    }
    std::string settings = reader.metadata().at("golden");
    settings.replace(settings.find("resnet9"), std::string("resnet9").size(), model);
    write_safetensors(path_, tensors, {{"golden", settings}});
    return verify_golden(path_);
  }

  std::filesystem::path path_ =
      std::filesystem::path(testing::TempDir()) /
      (std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) + ".golden");
};

TEST_F(DamagedGolden, TheWorstTensorIsNamed) {
  constexpr size_t kRow = 7;  // of digests, ten numbers each
  EXPECT_TRUE(verify_with("", 0, 0).passed());
  for (const size_t column : {0U, 1U, 9U}) {
    const VerifyReport report = verify_with("grad", 10 * kRow + column, 1.0);
    EXPECT_FALSE(report.passed());
    EXPECT_FALSE(line(report, "grad").passed());
    EXPECT_EQ(line(report, "grad").tensor, Golden(path_).parameters()[kRow]);
  }
  const VerifyReport parameter = verify_with("after/param", 10 * kRow + 4, 1e-3);
  EXPECT_FALSE(line(parameter, "after/param").passed());
  EXPECT_EQ(line(parameter, "after/param").tensor, Golden(path_).parameters()[kRow]);
  EXPECT_FALSE(line(verify_with("logits", 3, 0.1), "logits").passed());
  EXPECT_FALSE(line(verify_with("after/buffer", 12, 0.1), "after/buffer").passed());
  EXPECT_FALSE(line(verify_with("loss", 0, 0.01), "loss").passed());
  EXPECT_FALSE(line(verify_with("after/logits", 19, 0.1), "after/logits").passed());
  EXPECT_FALSE(line(verify_with("logits", 0, std::nan("")), "logits").passed());
}

TEST_F(DamagedGolden, AnotherModelsParametersAreAnError) {
  EXPECT_THROW(verify("", 0, 0, "resnet18"), Error);
  EXPECT_THROW(verify("", 0, 0, "resnet9x"), UsageError);
}

}  // namespace
}  // namespace convoy
