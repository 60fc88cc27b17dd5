#include "data/lazy_library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace convoy {
namespace {

struct Mathematics {
  LazyLibrary library{"libm.so.6"};
  decltype(&::cbrt) cube_root = library["cbrt"];
};

struct Nothing {
  LazyLibrary library{"libconvoy-has-none-such.so.1"};
};

struct Lacking {
  LazyLibrary library{"libm.so.6"};
  void (*function)() = library["none_such"];
};

template <class Library>
std::string complaint() {
  try {
    loaded<Library>("photo.heic");
  } catch (const UnsupportedImage& error) {
    return error.what();
  }
  return "";
}

TEST(LazyLibrary, GivesFunctions) {
  EXPECT_DOUBLE_EQ(loaded<Mathematics>("photo.heic").cube_root(27), 3);
  EXPECT_EQ(&loaded<Mathematics>("a"), &loaded<Mathematics>("b")) << "it is loaded once";
}

TEST(LazyLibrary, NamesTheImageAndWhatIsMissing) {
  EXPECT_THAT(complaint<Nothing>(), testing::StartsWith("photo.heic: libconvoy-has-none-such.so.1 cannot be loaded: "));
  EXPECT_EQ(complaint<Lacking>(), "photo.heic: libm.so.6 lacks none_such; install a newer one");
  EXPECT_THAT(complaint<Nothing>(), testing::HasSubstr("cannot be loaded")) << "also the second time";
}

}  // namespace
}  // namespace convoy
