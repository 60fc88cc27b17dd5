#include "inference/sample_images.h"

#include <algorithm>
#include <vector>

#include "core/random.h"
#include "data/loader.h"

namespace convoy {

void visit_samples(const DatasetPtr& dataset, const Preprocessing& preprocessing, int64_t batch_size, int64_t most,
                   const SampleVisitor& visit) {
  const int64_t side = preprocessing.image_size;
  const auto floats = static_cast<size_t>(batch_size * side * side * Image::kChannels);
  if (dataset == nullptr) {
    std::vector<float> pixels(floats);
    RandomStream random(0, "samples");
    for (int64_t done = 0; done < most; done += batch_size) {
      std::ranges::generate(pixels, [&] { return random.uniform(-1.7F, 1.7F); });
      visit(pixels, std::min(batch_size, most - done), {});
    }
    return;
  }
  LoaderOptions options;
  options.batch_size = batch_size;
  options.preprocessing = preprocessing;
  options.shuffle = true;
  options.cache_bytes = 0;
  options.end_epoch = 1;
  Loader loader(dataset, options);
  const int64_t wanted = std::min(most, dataset->size());
  for (int64_t done = 0; done < wanted; done += batch_size) {
    const Batch& batch = loader.next();
    const int64_t count = std::min(batch.size, wanted - done);
    visit({batch.images.floats(), floats}, count, std::span(batch.labels).first(static_cast<size_t>(count)));
  }
}

}  // namespace convoy
