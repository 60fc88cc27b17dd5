// What kernels made of weights, shared by programs that run the same nodes over the same variables.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "core/buffer.h"

namespace convoy {

// May be used by several threads at once. Blocks live as long as a program that has them.
class PreparedWeights {
 public:
  // The block of that key; `make` makes it where there is none yet.
  std::shared_ptr<const Buffer> get(const std::string& key, const std::function<Buffer()>& make) {
    const std::scoped_lock lock(mutex_);
    std::shared_ptr<const Buffer>& block = blocks_[key];
    if (block == nullptr) block = std::make_shared<const Buffer>(make());
    return block;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const Buffer>> blocks_;
};

}  // namespace convoy
