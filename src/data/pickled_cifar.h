// The pickles of CIFAR's Python archives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace convoy {

// The images of data_batch_1 and the like, or of train and test, as binary records: a byte with the label, which is the
// fine one where there are two, and 3072 of pixels, the red plane first. `name` is that of the file in messages.
// Throws Error when the pickle is damaged, or its labels and pixels do not agree or are out of range.
std::vector<uint8_t> read_pickled_cifar_records(const std::vector<uint8_t>& file, const std::string& name,
                                                size_t classes);

// The names in batches.meta or meta. Throws Error likewise, and when there are not `classes` of them.
std::vector<std::string> read_pickled_cifar_names(const std::vector<uint8_t>& file, const std::string& name,
                                                  size_t classes);

}  // namespace convoy
