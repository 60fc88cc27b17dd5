// What lies below a folder or in an archive: which of it is junk, which an image.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace convoy {

struct TreeEntry {
  enum class Kind : uint8_t {
    image,        // by its extension or its first bytes
    other,        // any other file
    folder,       // its path ends in '/', so that what is below it follows it in byte-wise order
    unreadable,   // a folder that cannot be listed; its path, too, ends in '/'
    broken_link,  // leads to no file and no folder
  };
  std::string path;  // relative to the root, with '/' between its parts
  Kind kind = Kind::image;

  friend bool operator==(const TreeEntry&, const TreeEntry&) = default;
};

// Whether a file or folder of that name is what systems and tools leave behind, never a part of a dataset: names that
// begin with a dot, __MACOSX, @eaDir, lost+found, $RECYCLE.BIN, Thumbs.db and their like.
bool is_junk(std::string_view name);

// Folders within folders beyond which a tree is refused.
inline constexpr int kMostFolders = 32;

// Tells images from other files: by the extension, or, where that is none of an image, by the first bytes.
class ImageFinder {
 public:
  // begin: reads the first kFormatBytes bytes of the file, or none where that fails. Called only where it is needed,
  // and no more for an extension of which the first thousand files were no images.
  bool operator()(std::string_view path, const std::function<std::vector<uint8_t>()>& begin);

 private:
  std::map<std::string, int, std::less<>> misses_;  // by extension: files read in vain
};

}  // namespace convoy
