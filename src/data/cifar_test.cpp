// CIFAR's Python archives under tests/data/cifar have two images a file (tools/make_cifar_sample.py).
#include "data/cifar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "convoy/error.h"
#include "data/archive.h"
#include "data/dataset.h"

namespace convoy {
namespace {

using testing::HasSubstr;

const std::filesystem::path kFolder = std::filesystem::path(CONVOY_SOURCE_DIR) / "tests/data/cifar";

// As the script draws image `number`.
void expect_image(const Image& image, int number) {
  ASSERT_EQ(image.width(), 32);
  ASSERT_EQ(image.height(), 32);
  for (int y = 0; y < 32; ++y) {
    for (int x = 0; x < 32; ++x) {
      for (int plane = 0; plane < 3; ++plane) {
        ASSERT_EQ(image.row(y)[3 * x + plane], (37 * number + 85 * plane + 7 * y + 3 * x) % 256)
            << number << " " << plane << " " << y << " " << x;
      }
    }
  }
}

void expect_cifar10(const std::filesystem::path& path) {
  const TrainVal data = open_train_val(path);
  ASSERT_EQ(data.train->size(), 10);
  ASSERT_EQ(data.val->size(), 2);
  EXPECT_EQ(data.train->class_names()[0], "airplane");
  EXPECT_EQ(data.train->class_names()[9], "truck");
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(data.train->label(i), i);
    expect_image(data.train->load(i), i);
  }
  EXPECT_EQ(data.val->label(1), 1);
  expect_image(data.val->load(1), 11);
  EXPECT_THAT(data.val->name(1), HasSubstr("cifar-10-batches-py/test_batch image 1"));
}

// The files of an archive in a folder of the disk.
class PythonCifar : public testing::Test {
 protected:
  PythonCifar() : root_(std::filesystem::path(testing::TempDir()) / "python_cifar") {
    std::filesystem::remove_all(root_);
  }
  ~PythonCifar() override { std::filesystem::remove_all(root_); }

  void unpack(const char* file) const {
    const Archive archive(
        kFolder / file, [](std::string_view) { return true; }, 1 << 24);
    for (const std::string& path : archive.paths()) {
      const std::vector<uint8_t> content = archive.read(path);
      write(path, {content.begin(), content.end()});
    }
  }

  void write(const std::string& path, const std::string& content) const {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path, std::ios::binary) << content;
  }

  std::string error_of(const std::string& path) const {
    try {
      open_dataset(root_ / path, Split::train);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  std::filesystem::path root_;
};

TEST_F(PythonCifar, ReadsWhatPython2WroteInArchivesAndFolders) {
  expect_cifar10(kFolder / "cifar-10-python.tar.gz");
  unpack("cifar-10-python.tar.gz");
  expect_cifar10(root_);
  expect_cifar10(root_ / "cifar-10-batches-py");
}

TEST_F(PythonCifar, ReadsWhatPython3SavedAgain) {
  unpack("cifar-100-python.tar.gz");
  for (const auto& path : {kFolder / "cifar-100-python.tar.gz", root_, root_ / "cifar-100-python"}) {
    const TrainVal data = open_train_val(path);
    ASSERT_EQ(data.train->size(), 2);
    ASSERT_EQ(data.train->class_names().size(), 100);
    EXPECT_EQ(data.train->class_names()[7], "fine 7");
    EXPECT_EQ(data.train->label(1), 51);
    EXPECT_EQ(data.val->label(0), 52);
    expect_image(data.train->load(1), 1);
    expect_image(data.val->load(0), 2);
  }
}

// A file called train and one called test are those of CIFAR-100 only beside its meta.
TEST_F(PythonCifar, NamesAloneDoNotMakeCifar) {
  write("train", "a file of somebody's");
  EXPECT_FALSE(has_cifar_files(*make_folder_tree(root_), ""));
  write("meta", "another");
  EXPECT_TRUE(has_cifar_files(*make_folder_tree(root_), ""));
  EXPECT_THAT(error_of("."), HasSubstr("meta: "));
}

TEST_F(PythonCifar, RefusesWhatDoesNotHoldTogether) {
  unpack("cifar-10-python.tar.gz");
  const std::string batch = "cifar-10-batches-py/data_batch_3";
  std::ifstream stream(root_ / batch, std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(stream), {}};
  const auto with = [&](const std::string& old_text, const std::string& new_text) {
    std::string changed = whole;
    changed.replace(changed.find(old_text), old_text.size(), new_text);
    return changed;
  };
  using namespace std::string_literals;
  for (const auto& [content, expected] : std::vector<std::pair<std::string, std::string>>{
           {whole.substr(0, whole.size() - 1), "ends in the middle"},
           {with("K\x04K\x05", "K\x04K\x0a"), "label of image 1 to be a number from 0 to 9"},
           {with("K\x04K\x05"s, "K\x04"s), "'data' to be an array of 1 x 3072 bytes"},
           {with("K\x02M\x00\x0c\x86"s, "K\x03M\x00\x0c\x86"s), "'data' to be an array of 2 x 3072 bytes"},
           {with("U\x06labels", "U\x06lobels"), "expected a list called 'fine_labels' or 'labels'"},
           {"\x80\x02].", "is no dictionary"},
       }) {
    write(batch, content);
    EXPECT_THAT(error_of("."), testing::AllOf(HasSubstr("data_batch_3: "), HasSubstr(expected)));
  }
  write("cifar-10-batches-py/batches.meta",
        "\x80\x02}(U\x0blabel_names](U\x03"
        "catU\x03"
        "dogeu.");
  EXPECT_THAT(error_of("."), HasSubstr("batches.meta: expected 10 class names, found 2"));
}

}  // namespace
}  // namespace convoy
