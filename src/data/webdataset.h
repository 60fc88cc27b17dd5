// Images whose classes are numbers in files beside them, as WebDataset, img2dataset and timm have them: KEY.jpg,
// KEY.cls.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/file_tree.h"
#include "data/layout.h"

namespace convoy {

// Whether a file of that path holds the class of an image: KEY.cls.
bool is_class_file(std::string_view path);

struct NumberedImage {
  std::string path;
  int number = 0;  // of its class, up to 1,000,000
};

// The images with their classes, in byte-wise order of the paths; none where no image has a file KEY.cls beside it. KEY
// is the path without the extension. Images of other extensions than one, "KEY.mask.png" beside KEY.cls, are left out.
// entries: what the tree lists. Throws Error that names the image that has no class where another one has, or the file
// whose content is no number of a class.
std::vector<NumberedImage> read_class_numbers(const FileTree& tree, const std::vector<TreeEntry>& entries);

// The images by class. Classes are called as the lines of classes.txt or classnames.txt say, which lies in the folder
// `root` or beside the archives of that name, classnames.txt perhaps one folder further up; where there is none, by
// their numbers, from 0 to the greatest. Throws Error where that file has too few lines, or the same line twice.
LayoutPart numbered_part(const std::vector<NumberedImage>& images, const std::filesystem::path& root);

// What a tree is as a dataset: where images have their classes beside them, folders only count where they say the same,
// so that each class of theirs is one number; else as lay_out() of what it lists. entries: that. root: the path of the
// tree. Throws as the functions above, and as the other lay_out().
Layout lay_out(const FileTree& tree, std::vector<TreeEntry> entries, const std::filesystem::path& root);

}  // namespace convoy
