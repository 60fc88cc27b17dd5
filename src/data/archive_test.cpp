#include "data/archive.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "convoy/error.h"
#include "data/dataset.h"
#include "tests/support/pack.h"
#include "tests/support/ppm.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Format = testing::ArchiveFormat;
constexpr size_t kNoLimit = size_t{1} << 30;

bool everything(std::string_view /*path*/) { return true; }

std::string image_bytes(const std::string& name = "gray.jpg") {
  const std::vector<uint8_t> bytes = read_file(testing::data_folder() / "images" / name);
  return {bytes.begin(), bytes.end()};
}

std::string text_of(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

class ArchiveTest : public ::testing::Test {
 protected:
  ArchiveTest() { fs::create_directories(root_); }
  ~ArchiveTest() override { fs::remove_all(root_); }

  using Files = testing::PackedFiles;

  fs::path pack(const Files& files, Format format = archive_write_set_format_pax_restricted,
                Format filter = archive_write_add_filter_none, const std::string& name = "photos.tar") const {
    testing::pack(root_ / name, files, format, filter);
    return root_ / name;
  }

  std::vector<std::string> names(const DatasetPtr& dataset) const {
    std::vector<std::string> names;
    for (int64_t i = 0; i < dataset->size(); ++i) names.push_back(fs::path(dataset->name(i)).lexically_relative(root_));
    return names;
  }

  template <class Call>
  static std::string refusal(const Call& call) {
    try {
      call();
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }

  const fs::path root_ =
      fs::path(::testing::TempDir()) /
      fmt::format("{}_{}", ::testing::UnitTest::GetInstance()->current_test_info()->name(), getpid());
};

TEST_F(ArchiveTest, EveryDialectAndCompressionGivesTheSameFiles) {
  const std::string long_name = std::string(150, 'd') + "/" + std::string(120, 'f');
  const Files files{{"./b/2.txt", "second"}, {"a/", ""}, {"a/1.txt", std::string(200000, 'x')}, {"a/empty", ""}};
  Files with_long = files;
  with_long.emplace_back(long_name, "long");
  for (const Format filter : {archive_write_add_filter_none, archive_write_add_filter_gzip, archive_write_add_filter_xz,
                              archive_write_add_filter_bzip2, archive_write_add_filter_zstd}) {
    for (const Format format : {archive_write_set_format_ustar, archive_write_set_format_gnutar,
                                archive_write_set_format_pax, archive_write_set_format_v7tar}) {
      const bool fits = format == archive_write_set_format_gnutar || format == archive_write_set_format_pax;
      const Archive archive(pack(fits ? with_long : files, format, filter), everything, kNoLimit);
      EXPECT_EQ(archive.paths().size(), fits ? 4U : 3U);
      EXPECT_EQ(text_of(archive.read("b/2.txt")), "second");
      EXPECT_EQ(text_of(archive.read("a/1.txt")), std::string(200000, 'x'));
      EXPECT_TRUE(archive.read("a/empty").empty());
      if (fits) {
        EXPECT_EQ(text_of(archive.read(long_name)), "long");
      }
    }
  }
}

int zip_that_stores(archive* writer) {
  archive_write_set_format_zip(writer);
  return archive_write_zip_set_compression_store(writer);
}

TEST_F(ArchiveTest, ZipArchivesAreReadInPlace) {
  std::string noise(200000, 'x');
  for (size_t i = 0; i < noise.size(); i += 3) noise[i] = static_cast<char>(i * i % 251);
  const Files files{
      {"b/", ""}, {"b/2.txt", "second"}, {"a/1.txt", noise}, {"a/empty", ""}, {"\xC3\xA4/1.txt", "umlaut"}};
  for (const Format format : {Format(archive_write_set_format_zip), Format(zip_that_stores)}) {
    constexpr size_t kPaths = 2000;  // bytes: files take none
    const Archive archive(pack(files, format, archive_write_add_filter_none, "photos.zip"), everything, kPaths);
    EXPECT_THAT(archive.paths(), ElementsAre("a/1.txt", "a/empty", "b/2.txt", "\xC3\xA4/1.txt"));
    EXPECT_EQ(text_of(archive.read("a/1.txt")), noise);
    EXPECT_EQ(text_of(archive.read("b/2.txt")), "second");
    EXPECT_EQ(text_of(archive.read("\xC3\xA4/1.txt")), "umlaut");
    EXPECT_TRUE(archive.read("a/empty").empty());
  }
}

TEST_F(ArchiveTest, DamagedAndEncryptedZipArchivesAreRefused) {
  std::string noise(200000, 'x');
  for (size_t i = 0; i < noise.size(); i += 3) noise[i] = static_cast<char>(i * i % 251);
  const fs::path path = pack({{"a/1.txt", noise}}, archive_write_set_format_zip);
  {
    const Archive archive(path, everything, kNoLimit);
    std::fstream stream(path, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(1000);
    stream << std::string(400, '\xFF');
    stream.close();
    EXPECT_THAT(refusal([&] { archive.read("a/1.txt"); }), HasSubstr("photos.tar:a/1.txt: damaged within the archive"));
    fs::resize_file(path, 2000);
    EXPECT_THAT(refusal([&] { archive.read("a/1.txt"); }), HasSubstr("photos.tar:a/1.txt: damaged within the archive"));
  }
  const auto encrypted = [](archive* writer) {
    archive_write_set_format_zip(writer);
    archive_write_set_passphrase(writer, "secret");
    return archive_write_set_options(writer, "zip:encryption=zipcrypt");
  };
  EXPECT_THAT(refusal([&] {
                Archive(pack({{"a/1.txt", "x"}}, encrypted), everything, kNoLimit);
              }),
              HasSubstr("photos.tar: a/1.txt is encrypted; unpack the archive"));
}

TEST_F(ArchiveTest, SymbolicLinksStandForFilesOfTheArchive) {
  const fs::path folder = root_ / "linked";
  fs::create_directories(folder / "a");
  fs::create_directories(folder / "b");
  std::ofstream(folder / "b/1.jpg") << "one";
  fs::create_symlink("../b/1.jpg", folder / "a/1.jpg");
  fs::create_symlink("../b/gone.jpg", folder / "a/2.jpg");
  fs::create_symlink("../../../b/1.jpg", folder / "a/3.jpg");
  const std::string file = (root_ / "links.tar").string();
  ASSERT_EQ(std::system(fmt::format("tar -cf {} -C {} .", file, folder.string()).c_str()), 0);
  const Archive archive(file, everything, kNoLimit);
  EXPECT_THAT(archive.paths(), ElementsAre("a/1.jpg", "b/1.jpg"));
  EXPECT_EQ(text_of(archive.read("a/1.jpg")), "one");
  EXPECT_EQ(open_train_val(file).problems.front().images.size(), 2U);
}

TEST_F(ArchiveTest, NamesNeedNoLocale) {
  for (const Format format : {archive_write_set_format_gnutar, archive_write_set_format_pax}) {
    const std::string name = "\xC3\xA4/\xE7\x8C\xAB.jpg";
    const Archive archive(pack({{name, "cat"}}, format), everything, kNoLimit);
    ASSERT_THAT(archive.paths(), ElementsAre(name));
    EXPECT_EQ(text_of(archive.read(name)), "cat");
  }
}

TEST_F(ArchiveTest, PathsAreNormalAndStayBelowTheRoot) {
  const Archive archive(pack({{"a//tmp/1.jpg", "1"},
                              {"//b/./2.jpg", "2"},
                              {"../up.jpg", "up"},
                              {"a/../../up.jpg", "up"},
                              {"/../up.jpg", "up"}}),
                        everything, kNoLimit);
  EXPECT_THAT(archive.paths(), ElementsAre("a/tmp/1.jpg", "b/2.jpg"));
  EXPECT_EQ(text_of(archive.read("b/2.jpg")), "2");
}

TEST_F(ArchiveTest, LaterFilesReplaceEarlierOnesAndLinksAreFollowed) {
  const Archive archive(pack({{"./a", "old"}, {"b", "-> ./a"}, {"./a", "new"}, {"/c", "-> /a"}}), everything, kNoLimit);
  EXPECT_THAT(archive.paths(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(text_of(archive.read("a")), "new");
  EXPECT_EQ(text_of(archive.read("b")), "old");
  EXPECT_EQ(text_of(archive.read("c")), "new");
}

TEST_F(ArchiveTest, RefusesLinksToWhatItDoesNotHold) {
  const auto open = [&](const Files& files) { return refusal([&] { open_train_val(pack(files)); }); };
  EXPECT_THAT(open({{"a/.store", "x"}, {"a/1.jpg", "-> a/.store"}}),
              HasSubstr("photos.tar: a/1.jpg is a hard link to a/.store, which is not read"));
  EXPECT_THAT(open({{"a/1.jpg", "-> absent"}}), HasSubstr("a hard link to absent, which"));
  EXPECT_THAT(open({{"a/1.jpg", "-> ../a/2.jpg"}, {"a/2.jpg", "x"}}), HasSubstr("a hard link to ../a/2.jpg, which"));
}

TEST_F(ArchiveTest, PathsAreLimitedAndTakeMemory) {
  const std::string folders = std::string(200, 'd') + "/";
  std::string deep;
  while (deep.size() < 4000) deep += folders;
  Files files;
  for (int i = 0; i < 200; ++i) files.emplace_back(fmt::format("{}{}", deep, i), "");
  const fs::path path = pack(files, archive_write_set_format_gnutar, archive_write_add_filter_xz);
  EXPECT_EQ(refusal([&] { Archive(path, everything, 900'000); }), "accepted");
  EXPECT_THAT(refusal([&] { Archive(path, everything, 800'000); }), HasSubstr("of memory; unpack it"));
  EXPECT_THAT(refusal([&] {
                Archive(pack({{deep + folders, ""}, {deep + folders + "1.jpg", "x"}}, archive_write_set_format_gnutar),
                        everything, kNoLimit);
              }),
              HasSubstr("photos.tar: has a path of 4"));
}

TEST_F(ArchiveTest, ManyThreadsReadAtOnce) {
  Files files;
  for (int i = 0; i < 50; ++i) files.emplace_back(fmt::format("{:02}", i), std::string(5000, static_cast<char>(i)));
  const Archive archive(pack(files), everything, kNoLimit);
  std::vector<std::jthread> threads;
  std::array<bool, 4> right{};
  for (size_t t = 0; t < right.size(); ++t) {
    threads.emplace_back([&, t] {
      right[t] = true;
      for (const auto& [name, content] : files) right[t] = right[t] && text_of(archive.read(name)) == content;
    });
  }
  threads.clear();
  EXPECT_THAT(right, ElementsAre(true, true, true, true));
}

TEST_F(ArchiveTest, RefusesWhatIsNoArchiveOrTooLarge) {
  const auto open = [&](const fs::path& path, size_t limit = kNoLimit) {
    return refusal([&] { Archive(path, everything, limit); });
  };
  EXPECT_THAT(open(root_ / "absent.tar"), HasSubstr("absent.tar: cannot be read: No such file"));
  std::ofstream(root_ / "text.tar") << "no archive at all";
  EXPECT_THAT(open(root_ / "text.tar"), HasSubstr("text.tar: cannot be read as a tar or zip archive"));
  std::ofstream(root_ / "empty.tar").flush();
  EXPECT_THAT(open(root_ / "empty.tar"), HasSubstr("cannot be read as a tar or zip archive"));

  const fs::path plain = pack({{"a.jpg", std::string(50000, 'x')}});
  EXPECT_EQ(open(plain, 1000), "accepted");
  fs::resize_file(plain, 20000);
  EXPECT_THAT(open(plain), HasSubstr("truncated"));
  const fs::path packed =
      pack({{"a.jpg", std::string(500000, 'x')}}, archive_write_set_format_gnutar, archive_write_add_filter_xz);
  EXPECT_EQ(open(packed), "accepted");
  EXPECT_THAT(open(packed, 400000), HasSubstr("of memory; unpack it"));
  fs::resize_file(packed, fs::file_size(packed) / 2);
  EXPECT_THAT(open(packed), HasSubstr("cannot be read as a tar or zip archive"));

  const fs::path shrinking = pack({{"a.jpg", std::string(50000, 'x')}});
  const Archive archive(shrinking, everything, kNoLimit);
  fs::resize_file(shrinking, 20000);
  EXPECT_THAT(refusal([&] { archive.read("a.jpg"); }), HasSubstr("photos.tar:a.jpg: the archive became shorter"));
}

TEST_F(ArchiveTest, ClassFoldersAreADatasetAlsoInsideAFolder) {
  const std::string image = image_bytes();
  for (const std::string top : {"", "Images/", "./Images/", "Images//", "/Images/./"}) {
    const TrainVal data = open_train_val(pack({{top + "dog/b.JPG", image},
                                               {top + "cat-big/1.png", image},
                                               {top + "cat/deep/2.webp", image},
                                               {top + "cat/.hidden.jpg", image},
                                               {top + "cat/._1.jpg", image},
                                               {"__MACOSX/cat/1.jpg", image},
                                               {top + "cat/notes.txt", "no image"}}));
    ASSERT_EQ(data.problems.size(), 1U);
    EXPECT_EQ(data.problems[0].kind, "other-file");
    EXPECT_EQ(data.val, nullptr);
    EXPECT_THAT(data.train->class_names(), ElementsAre("cat", "cat-big", "dog"));
    const std::string shown = "photos.tar:" + std::string(top.empty() ? "" : "Images/");
    EXPECT_THAT(names(data.train),
                ElementsAre(shown + "cat/deep/2.webp", shown + "cat-big/1.png", shown + "dog/b.JPG"));
    EXPECT_EQ(data.train->label(2), 2);
    EXPECT_EQ(data.train->load(0).width(), 37);
    EXPECT_EQ(open_dataset(root_ / "photos.tar", Split::val)->size(), 3);
    EXPECT_EQ(data.train_source, (root_ / (top.empty() ? "photos.tar" : "photos.tar:Images/")).string());
  }
}

TEST_F(ArchiveTest, TrainAndTestFoldersAreTheSplits) {
  const std::string image = image_bytes();
  const TrainVal data = open_train_val(pack({{"set/train/a/1.jpg", image},
                                             {"set/train/b/2.jpg", image},
                                             {"set/test/a/3.jpg", image},
                                             {"set/test/b/4.jpg", image},
                                             {"set/test/b/5.jpg", "damaged"}},
                                            archive_write_set_format_gnutar, archive_write_add_filter_gzip));
  EXPECT_THAT(names(data.train), ElementsAre("photos.tar:set/train/a/1.jpg", "photos.tar:set/train/b/2.jpg"));
  EXPECT_EQ(data.val->size(), 3);
  EXPECT_THAT(refusal([&] { data.val->load(2); }), HasSubstr("photos.tar:set/test/b/5.jpg: not a JPEG"));
}

TEST_F(ArchiveTest, TrainFolderAloneHasNoValidation) {
  const fs::path path = pack({{"set/train/a/1.jpg", image_bytes()}});
  EXPECT_EQ(open_train_val(path).val, nullptr);
  EXPECT_EQ(open_dataset(path, Split::train)->size(), 1);
  EXPECT_THAT(refusal([&] { open_dataset(path, Split::val); }),
              HasSubstr("photos.tar: has folders for parts of a dataset, but no val/"));
}

TEST_F(ArchiveTest, BinaryCifarFilesAreRead) {
  Files files{{"cifar-10-batches-bin/batches.meta.txt", "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n"},
              {"cifar-10-batches-bin/test_batch.bin", fmt::format("\x07{:x<3072}", "")}};
  for (int batch = 1; batch <= 5; ++batch) {
    files.emplace_back(fmt::format("cifar-10-batches-bin/data_batch_{}.bin", batch),
                       static_cast<char>(batch) + std::string(3072, 'y'));
  }
  const fs::path path = pack(files, archive_write_set_format_ustar, archive_write_add_filter_gzip, "cifar.tar.gz");
  const TrainVal data = open_train_val(path);
  EXPECT_EQ(data.train->size(), 5);
  EXPECT_EQ(data.train->label(3), 4);
  EXPECT_EQ(data.val->label(0), 7);
  EXPECT_EQ(data.val->load(0).row(31)[95], 'x');
  EXPECT_THAT(data.val->name(0), HasSubstr("cifar.tar.gz:cifar-10-batches-bin/test_batch.bin image 0"));
  files[1].second.pop_back();
  EXPECT_THAT(refusal([&] { open_train_val(pack(files)); }),
              AllOf(HasSubstr("photos.tar:cifar-10-batches-bin/test_batch.bin: 3072 bytes")));
}

TEST_F(ArchiveTest, SaysWhatIsMissing) {
  EXPECT_THAT(refusal([&] { open_train_val(pack({{"readme.txt", "text"}})); }), HasSubstr("found no images"));
  EXPECT_THAT(refusal([&] {
                open_train_val(pack({{"1.jpg", "x"}, {"2.jpg", "x"}}));
              }),
              HasSubstr("found 2 images outside of sub-folders"));
}

}  // namespace
}  // namespace convoy
