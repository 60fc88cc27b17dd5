// The same tree of files in a folder, a tar archive, plain or packed, and a zip archive is the same dataset.
#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <functional>

#include "data/dataset.h"
#include "tests/support/ppm.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

using Paths = std::vector<std::string>;  // those that end in '/' are folders, in ".txt" text, others images

struct Form {
  const char* name;
  int (*format)(archive*);
  int (*filter)(archive*);
};
constexpr Form kForms[] = {{"x.tar", archive_write_set_format_gnutar, archive_write_add_filter_none},
                           {"x.tar.xz", archive_write_set_format_pax, archive_write_add_filter_xz},
                           {"x.zip", archive_write_set_format_zip, archive_write_add_filter_none}};

class DatasetForms : public ::testing::Test {
 protected:
  DatasetForms() { fs::create_directories(root_); }
  ~DatasetForms() override { fs::remove_all(root_); }

  static std::string content_of(const std::string& path) {
    if (path.ends_with(".txt")) return "text";
    const std::vector<uint8_t> bytes = read_file(testing::data_folder() / "images" / "gray.jpg");
    return {bytes.begin(), bytes.end()};
  }

  void unpack(const Paths& paths) const {
    for (const std::string& path : paths) {
      const fs::path file = root_ / "x" / path;
      fs::create_directories(path.ends_with('/') ? file : file.parent_path());
      if (!path.ends_with('/')) std::ofstream(file, std::ios::binary) << content_of(path);
    }
  }

  void pack(const Paths& paths, const Form& form) const {
    archive* writer = archive_write_new();
    form.format(writer);
    form.filter(writer);
    archive_write_open_filename(writer, (root_ / form.name).c_str());
    archive_entry* entry = archive_entry_new();
    for (const std::string& path : paths) {
      const std::string content = path.ends_with('/') ? "" : content_of(path);
      archive_entry_clear(entry);
      archive_entry_set_pathname(entry, path.c_str());
      archive_entry_set_filetype(entry, path.ends_with('/') ? AE_IFDIR : AE_IFREG);
      archive_entry_set_perm(entry, 0755);
      archive_entry_set_size(entry, static_cast<int64_t>(content.size()));
      EXPECT_LE(archive_write_header(writer, entry), ARCHIVE_OK);
      archive_write_data(writer, content.data(), content.size());
    }
    archive_entry_free(entry);
    archive_write_free(writer);
  }

  // Everything that a dataset says, with the paths below its root.
  std::string described(const std::string& name) const {
    const std::string root = (root_ / name).string();
    std::string text;
    const auto below = [&](std::string shown) { return shown.substr(std::min(shown.size(), root.size() + 1)); };
    try {
      const TrainVal data = open_train_val(root, BadFolder::problem);
      for (const DatasetPtr& part : {data.train, data.val, data.test}) {
        text += "part\n";
        for (int64_t i = 0; part != nullptr && i < part->size(); ++i) {
          const auto label = static_cast<size_t>(part->label(i));
          text += fmt::format("{} {} {}\n", part->class_names()[label], below(part->name(i)), part->load(i).width());
        }
      }
      for (const DataProblem& problem : data.problems) {
        text += problem.kind + "\n";
        for (const std::string& image : problem.images) text += "  " + below(image) + "\n";
      }
    } catch (const std::exception& error) {
      std::string message = error.what();
      text = "error " + below(message.substr(message.find(root)));
    }
    return text;
  }

  // The form of a folder, which all archives must share.
  std::string expect_same(const Paths& paths) const {
    fs::remove_all(root_ / "x");
    unpack(paths);
    std::string folder = described("x");
    for (const Form& form : kForms) {
      pack(paths, form);
      EXPECT_EQ(described(form.name), folder) << form.name;
    }
    return folder;
  }

  const fs::path root_ = fs::path(::testing::TempDir()) / fmt::format("convoy_forms_{}", getpid());
};

TEST_F(DatasetForms, StraysAndJunk) {
  const std::string told = expect_same({"photos/ant/0.jpg", "photos/bee/0.jpg", "photos/sample.jpg", "photos/read.txt",
                                        "photos/ant/@eaDir/0.jpg/thumb.jpg", "__MACOSX/photos/ant/._0.jpg",
                                        "photos/lost+found/", "photos/Thumbs.db", "$RECYCLE.BIN/x.jpg"});
  EXPECT_EQ(told,
            "part\nant photos/ant/0.jpg 37\nbee photos/bee/0.jpg 37\npart\npart\nstray-image\n"
            "  photos/sample.jpg\nother-file\n  photos/read.txt\n");
}

TEST_F(DatasetForms, PartsAndEmptyFolders) {
  const std::string told = expect_same({"Train/ant/0.jpg", "Train/bee/0.jpg", "Train/owl/", "Val/ant/0.jpg", "Val/bee/",
                                        "extra/a/1.jpg", "Val/loose.jpg"});
  EXPECT_THAT(told, HasSubstr("part\nant Val/ant/0.jpg 37\npart\n"));
  EXPECT_THAT(told, HasSubstr("empty-class\n"));
  EXPECT_THAT(told, HasSubstr("left-out-folder\n"));
}

TEST_F(DatasetForms, ImagesOfOtherNames) {
  const std::string told = expect_same({"ant/photo", "ant/photo.dat", "bee/b.jfif", "bee/notes.txt"});
  EXPECT_THAT(told, HasSubstr("ant ant/photo 37\nant ant/photo.dat 37\nbee bee/b.jfif 37\n"));
}

TEST_F(DatasetForms, UnicodeForms) {
  const std::string told =
      expect_same({"train/caf\xC3\xA9/0.jpg", "train/tee/0.jpg", "val/cafe\xCC\x81/1.jpg", "val/tee/2.jpg"});
  EXPECT_THAT(told, HasSubstr("part\ncaf\xC3\xA9 val/cafe\xCC\x81/1.jpg 37\n"));
}

TEST_F(DatasetForms, Refusals) {
  EXPECT_THAT(expect_same({"a.jpg", "b.jpg"}), HasSubstr("found 2 images outside of sub-folders"));
  EXPECT_THAT(expect_same({"train/a.jpg", "test/b.jpg"}), HasSubstr("train: expected one sub-folder a class"));
}

}  // namespace
}  // namespace convoy
