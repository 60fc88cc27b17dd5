#include "data/class_counts.h"

#include <map>

namespace convoy {

std::vector<ClassCount> count_classes(const TrainVal& data) {
  std::map<std::string, ClassCount> counts;
  for (const auto& [dataset, member] : {std::pair{data.train, &ClassCount::train}, {data.val, &ClassCount::val}}) {
    if (dataset == nullptr) continue;
    for (const std::string& name : dataset->class_names()) counts[name].class_name = name;
    for (int64_t i = 0; i < dataset->size(); ++i) {
      ++(counts[dataset->class_names()[static_cast<size_t>(dataset->label(i))]].*member);
    }
  }
  std::vector<ClassCount> list;
  for (const auto& [name, count] : counts) list.push_back(count);
  return list;
}

}  // namespace convoy
