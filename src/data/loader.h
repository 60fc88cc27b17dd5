// Batches of network input, prepared ahead of the consumer by worker threads.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "convoy/image_options.h"
#include "core/buffer.h"
#include "data/augment.h"
#include "data/dataset.h"
#include "data/image_cache.h"
#include "data/sample_order.h"
#include "data/transform.h"

namespace convoy {

// How many bytes of decoded images a loader keeps: up to `most`, and a quarter of the free memory.
size_t bytes_to_keep(const Dataset& dataset, size_t most);

// Samples of a batch.
struct BatchSlice {
  int64_t first = 0;
  int64_t size = 0;
};

// The slice of that number of a batch that is cut into `slices` parts, as even as they can be.
BatchSlice slice_of(int64_t samples, int64_t slices, int64_t number);
// Those that a rank takes in turn: number `rank` and every `ranks`-th behind it.
std::vector<BatchSlice> slices_of_rank(int64_t samples, int64_t slices, int64_t rank, int64_t ranks);

struct LoaderOptions {
  int64_t batch_size = 32;
  // Samples are mixed within a slice of the batch; only a rank's are prepared.
  int64_t slices = 1;
  int64_t rank = 0;
  int64_t ranks = 1;
  bool shuffle = false;
  bool drop_last = false;  // leaves out the last batch of an epoch when it is not full
  Preprocessing preprocessing;
  std::optional<Augmentation> augmentation;
  OnBadImage on_bad_image = OnBadImage::error;  // Errors are thrown by next()
  // The next readable sample of the epoch's order takes the place of one that is skipped, as in training; otherwise the
  // batch is shorter, maybe empty.
  bool replace_skipped = false;
  uint64_t seed = 0;
  int workers = 2;  // 0: everything happens inside next()
  int batches_ahead = 3;
  // Decoded images are kept here, or, where it is null, until they fill `cache_bytes` or a quarter of the free memory.
  PixelStorePtr pixels = nullptr;
  size_t cache_bytes = size_t{512} << 20;
  DiskCachePtr disk_cache = nullptr;  // and there, where it is given
  // Where the first next() stands, and the epoch at which the loader ends.
  int64_t first_epoch = 0;
  int64_t first_step = 0;
  // Samples of the first epoch's order that come before its first batch. Where there are some, that epoch's last batch
  // is left out where it is not full, and the loader ends with that epoch.
  int64_t offset = 0;
  int64_t end_epoch = std::numeric_limits<int64_t>::max();
};

// Samples [0, size) are valid: those of the rank's slices, one slice behind the other.
struct Batch {
  int64_t epoch = 0;
  int64_t step = 0;     // within the epoch
  int64_t samples = 0;  // of the whole batch
  int64_t size = 0;
  Buffer images;                 // float {batch_size, image_size, image_size, 3}
  Buffer targets;                // float {batch_size, classes}: probabilities, one-hot unless samples are mixed
  std::vector<int64_t> indices;  // of the samples, in the dataset
  std::vector<int> labels;       // the samples' own classes
};

// An endless sequence of epochs: the batches of one epoch, then those of the next. The same options and dataset give
// the same batches for any number of workers and from any start.
class Loader {
 public:
  // Starts the workers. Throws Error when the dataset is empty or an option is out of range, also when drop_last
  // leaves no batch.
  Loader(DatasetPtr dataset, LoaderOptions options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  int64_t steps_per_epoch() const { return steps_per_epoch_; }
  const Dataset& dataset() const { return *dataset_; }

  // The next batch, valid until the next call; waits for it, and helps to prepare it. Throws the Error of an image that
  // cannot be read, and Error past the last epoch.
  const Batch& next();

  // Time that next() took so far.
  double wait_seconds() const { return wait_seconds_; }

  // Samples that could not be read so far, sorted, with the reason.
  std::vector<std::string> bad_images() const;
  // Samples that were read in spite of damage so far, sorted, with the damage.
  std::vector<std::string> damaged_images() const;

 private:
  using Order = std::shared_ptr<const std::vector<uint32_t>>;
  // Memory of a thread that prepares samples.
  struct Scratch {
    Image image;
    ResizeScratch resize;
  };
  // A batch in the making, or made.
  struct Slot {
    Batch batch;
    Order order;
    std::vector<BatchSlice> slices;  // wanted of the batch
    int64_t samples = 0;             // of these together
    int64_t taken = 0;               // handed out to workers
    int64_t finished = 0;            // prepared
    bool ready = false;              // all prepared, and mixed
    std::vector<uint8_t> good;       // whether each sample could be read
    std::exception_ptr error;        // of the first sample that failed, in batch order
    int64_t error_position = 0;
  };
  // Consecutive samples of a slot for one thread to prepare.
  struct Work {
    Slot* slot = nullptr;
    int64_t begin = 0;
    int64_t end = 0;
  };

  Slot& slot_of(int64_t number) { return *slots_[static_cast<size_t>(number % static_cast<int64_t>(slots_.size()))]; }
  void open_slot(int64_t number);
  // The next samples to prepare in the batches before number `end`, if any are left. The lock is held.
  std::optional<Work> take_work(int64_t end);
  // Prepares them; `lock` is held before and after, not meanwhile.
  void run(const Work& work, std::unique_lock<std::mutex>& lock, Scratch& scratch);
  // What concerns the whole batch, once its samples are there.
  void mix_samples(Slot& slot) const;
  void prepare_sample(Slot& slot, int64_t position, Scratch& scratch);
  // Decodes, transforms and stores one sample; false when it cannot be read and need not be.
  bool load_into(Slot& slot, int64_t position, int64_t index, Scratch& scratch);
  void leave_out_bad(Slot& slot) const;
  // Prepares what is left of the batch that next() gives, with the caller's team; waits for what workers have of it.
  void finish_batch(std::unique_lock<std::mutex>& lock);
  void serve(const std::stop_token& stop);

  const DatasetPtr dataset_;
  const LoaderOptions options_;
  const Normalizer normalizer_;
  const std::optional<Augmenter> augmenter_;
  int64_t steps_per_epoch_ = 0;
  int64_t end_ = 0;  // number of the batch after the last
  const SampleOrder order_;
  ImageCache cache_;
  std::vector<Scratch> scratches_;  // of the threads of the team that calls next()
  double wait_seconds_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable_any slot_freed_;
  std::condition_variable batch_ready_;
  std::vector<std::unique_ptr<Slot>> slots_;
  int64_t opened_ = 0;    // batches are numbered epoch * steps_per_epoch + step; slots hold [consumed_, opened_)
  int64_t working_ = 0;   // the first one with samples to hand out
  int64_t consumed_ = 0;  // the one that next() gives
  bool lent_ = false;     // the consumer holds batch consumed_ - 1
  std::set<std::string> bad_images_;
  std::set<std::string> damaged_images_;
  Order last_order_;
  int64_t last_order_epoch_ = -1;

  std::vector<std::jthread> workers_;  // last: they stop before anything else goes
};

// "2 damaged images were read all the same: ...", which names the first few. `damaged` is not empty.
std::string describe_damaged(const std::vector<std::string>& damaged);

}  // namespace convoy
