// Images for commands that read a folder of classes.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace convoy {

// Puts ten cats and ten dogs of CIFAR-10 into `folder`/photos, a sub-folder a class.
inline void make_photos(const std::filesystem::path& folder) {
  const std::string unpack = "tar -xzf " CONVOY_SOURCE_DIR "/data/cifar10-sample.tar.gz -C " + folder.string() +
                             " --wildcards 'test/cat/00*' 'test/dog/00*'";
  ASSERT_EQ(std::system(unpack.c_str()), 0);
  std::filesystem::rename(folder / "test", folder / "photos");
}

}  // namespace convoy
