// What a tree of files is as a dataset: which folders are its classes, and which its parts.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "convoy/data.h"
#include "data/file_tree.h"
#include "data/image_folder.h"
#include "data/listing.h"

namespace convoy {

// Images with their classes.
struct LayoutPart {
  std::string folder;                    // that the class folders lie in: "" or one that ends in '/'
  std::vector<std::string> class_names;  // in Unicode's composed form (NFC); of folders in byte-wise order
  std::vector<LabelledFile> files;       // by class, then in byte-wise order of the paths
};

// The kind of the problem that a class folder has no images.
inline constexpr const char* kEmptyClass = "empty-class";
inline constexpr const char* kTestValidates = "test-validates";

struct Layout {
  std::optional<LayoutPart> train;  // all there is, where there are no parts
  std::optional<LayoutPart> val;
  std::optional<LayoutPart> test;     // where it does not take the place of val
  bool has_parts = false;             // there are folders for parts, perhaps only one
  std::vector<DataProblem> problems;  // what is left out, empty or doubtful
};

// Decides that from what a tree lists:
//  - train/ or training/, beside others for validation or alone, is a part, and so are val/, valid/, validation/,
//  eval/,
//    dev/, of which the first in this order is used, and test/ or testing/, which validates where there is no other;
//    letter case does not count. Each has one sub-folder a class. Other folders beside them are left out. A class that
//    is called train, beside other classes, is a class: it is a part only where all other folders with images are
//    called parts, or one of them is and holds the same classes, or no classes.
//  - Anything else is one sub-folder a class, the images anywhere below it; names that differ only in Unicode's form
//    are one class.
//  - Either may lie in folders around it, whose other folders have no images and whose own images are left out; a
//    folder with sub-folders is such a wrapper where more images are in those than directly in it.
// Throws Error where that gives no class, train/ holds images without class folders, or two folders are called train.
// name: what to call a path in a message.
Layout lay_out(std::vector<TreeEntry> entries, const std::function<std::string(const std::string& path)>& name);

// Of one part, whose images and classes are known: only what else is there is told of. Throws Error where the folders
// are called as several parts.
Layout lay_out(std::vector<TreeEntry> entries, const std::function<std::string(const std::string& path)>& name,
               LayoutPart part);

// A name in Unicode's composed form (NFC); as it is where it is not UTF-8.
std::string composed(std::string_view name);

}  // namespace convoy
