#include "data/image_folder.h"

namespace convoy {
namespace {

class ImageFiles : public Dataset {
 public:
  ImageFiles(FileTreePtr tree, std::vector<std::string> class_names, std::vector<LabelledFile> files)
      : tree_(std::move(tree)), class_names_(std::move(class_names)), files_(std::move(files)) {}

  int64_t size() const override { return static_cast<int64_t>(files_.size()); }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  int label(int64_t index) const override { return at(index).label; }
  std::string name(int64_t index) const override { return tree_->name(at(index).path); }
  std::optional<std::vector<uint8_t>> encoded(int64_t index) const override { return tree_->read(at(index).path); }
  Image load(int64_t index) const override { return decode_image(tree_->read(at(index).path), name(index)); }
  Image load_with_damage(int64_t index, const DecodeOptions& options, std::string& damage) const override {
    damage.clear();
    return decode_image(tree_->read(at(index).path), name(index), options, &damage);
  }
  std::optional<FileStamp> stamp(int64_t index) const override { return tree_->stamp(at(index).path); }
  uint32_t shard(int64_t index) const override { return tree_->shard(at(index).path); }

 private:
  const LabelledFile& at(int64_t index) const { return files_[static_cast<size_t>(index)]; }

  FileTreePtr tree_;
  std::vector<std::string> class_names_;
  std::vector<LabelledFile> files_;
};

}  // namespace

DatasetPtr make_image_files(FileTreePtr tree, std::vector<std::string> class_names, std::vector<LabelledFile> files) {
  return std::make_shared<ImageFiles>(std::move(tree), std::move(class_names), std::move(files));
}

}  // namespace convoy
