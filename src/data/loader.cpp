#include "data/loader.h"

#include <fmt/format.h>
#if defined(__linux__)
#include <sys/resource.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <chrono>
#include <utility>

#include "convoy/error.h"
#include "core/parallel.h"
#include "core/random.h"
#include "data/mix.h"

namespace convoy {
namespace {

// Samples handed out at once: small, so that all threads work on the batch that is wanted next.
constexpr int64_t kSamplesPerWork = 4;

// The threads that compute go first: a worker gets the time that they leave.
void lower_priority() {
#if defined(__linux__)
  constexpr int kNice = 10;
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNice);  // on Linux: of this thread
#endif
}

int64_t count_steps(int64_t samples, const LoaderOptions& options) {
  if (samples <= 0) throw Error("data: the dataset has no images");
  if (samples > std::numeric_limits<uint32_t>::max()) throw Error(fmt::format("data: {} images are too many", samples));
  if (options.batch_size < 1) throw Error(fmt::format("batch size: expected at least 1, got {}", options.batch_size));
  if (options.drop_last && samples < options.batch_size) {
    throw Error(fmt::format("batch size: {} is more than the {} training images; use a smaller batch",
                            options.batch_size, samples));
  }
  check(options.preprocessing);
  if (options.offset > 0) return std::max<int64_t>((samples - options.offset) / options.batch_size, 1);
  return options.drop_last ? samples / options.batch_size : (samples + options.batch_size - 1) / options.batch_size;
}

int64_t end_of(const LoaderOptions& options, int64_t steps_per_epoch) {
  const int64_t epochs = options.offset > 0 ? options.first_epoch + 1 : options.end_epoch;
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  return epochs > kMost / steps_per_epoch ? kMost : epochs * steps_per_epoch;
}

PixelStorePtr pixels_of(const Dataset& dataset, const LoaderOptions& options) {
  if (options.pixels != nullptr) return options.pixels;
  return std::make_shared<PixelStore>(dataset.size(), bytes_to_keep(dataset, options.cache_bytes));
}

std::optional<Augmenter> augmenter_of(const LoaderOptions& options) {
  if (!options.augmentation) return std::nullopt;
  return Augmenter(options.preprocessing, *options.augmentation);
}

}  // namespace

size_t bytes_to_keep(const Dataset& dataset, size_t most) {
  return dataset.in_memory() ? 0 : std::min(most, available_memory() / 4);
}

BatchSlice slice_of(int64_t samples, int64_t slices, int64_t number) {
  const int64_t first = samples * number / slices;
  return {first, samples * (number + 1) / slices - first};
}

std::vector<BatchSlice> slices_of_rank(int64_t samples, int64_t slices, int64_t rank, int64_t ranks) {
  std::vector<BatchSlice> own;
  for (int64_t number = rank; number < slices; number += ranks) own.push_back(slice_of(samples, slices, number));
  return own;
}

Loader::Loader(DatasetPtr dataset, LoaderOptions options)
    : dataset_(std::move(dataset)),
      options_(std::move(options)),
      normalizer_(options_.preprocessing),
      augmenter_(augmenter_of(options_)),
      steps_per_epoch_(count_steps(dataset_->size(), options_)),
      end_(end_of(options_, steps_per_epoch_)),
      order_(*dataset_, options_.shuffle, options_.seed),
      cache_(dataset_, pixels_of(*dataset_, options_), options_.disk_cache) {
  consumed_ = options_.first_epoch * steps_per_epoch_ + options_.first_step;
  opened_ = working_ = consumed_;
  const int64_t side = options_.preprocessing.image_size;
  // Slices of a smaller batch are no larger.
  const int64_t largest_slice = (options_.batch_size + options_.slices - 1) / options_.slices;
  const int64_t most_slices = (options_.slices + options_.ranks - 1) / options_.ranks;
  const int64_t most = std::min(options_.batch_size, largest_slice * most_slices);
  const auto batch = static_cast<size_t>(most);
  // One slot more than is prepared ahead: the consumer holds one.
  for (int i = 0; i <= std::max(1, options_.batches_ahead); ++i) {
    auto slot = std::make_unique<Slot>();
    slot->batch.images = Buffer(batch * static_cast<size_t>(side * side) * 3 * sizeof(float));
    slot->batch.targets = Buffer(batch * dataset_->class_names().size() * sizeof(float));
    slot->batch.indices.resize(batch);
    slot->batch.labels.resize(batch);
    slot->good.resize(batch);
    slots_.push_back(std::move(slot));
  }
  for (int i = 0; i < options_.workers; ++i) {
    workers_.emplace_back([this](std::stop_token stop) { serve(stop); });
  }
}

Loader::~Loader() {
  for (std::jthread& worker : workers_) worker.request_stop();
}

void Loader::open_slot(int64_t number) {
  Slot& slot = slot_of(number);
  slot.batch.epoch = number / steps_per_epoch_;
  slot.batch.step = number % steps_per_epoch_;
  if (slot.batch.epoch != last_order_epoch_) {
    last_order_ = std::make_shared<const std::vector<uint32_t>>(order_.of_epoch(slot.batch.epoch));
    last_order_epoch_ = slot.batch.epoch;
  }
  slot.order = last_order_;
  slot.batch.samples =
      std::min(options_.batch_size, dataset_->size() - options_.offset - slot.batch.step * options_.batch_size);
  slot.slices = slices_of_rank(slot.batch.samples, options_.slices, options_.rank, options_.ranks);
  slot.samples = 0;
  for (const BatchSlice& slice : slot.slices) slot.samples += slice.size;
  slot.batch.size = slot.samples;
  slot.taken = slot.finished = 0;
  slot.ready = slot.samples == 0;
  slot.error = nullptr;
}

std::optional<Loader::Work> Loader::take_work(int64_t end) {
  const int64_t oldest_in_use = consumed_ - (lent_ ? 1 : 0);
  const int64_t limit = std::min(end_, oldest_in_use + static_cast<int64_t>(slots_.size()));
  while (opened_ < limit) open_slot(opened_++);
  working_ = std::max(working_, consumed_);  // slots of earlier ones hold later batches by now
  for (; working_ < std::min(opened_, end); ++working_) {
    Slot& slot = slot_of(working_);
    if (slot.taken < slot.samples) {
      const int64_t begin = slot.taken;
      slot.taken = std::min(slot.samples, begin + kSamplesPerWork);
      return Work{&slot, begin, slot.taken};
    }
  }
  return std::nullopt;
}

void Loader::run(const Work& work, std::unique_lock<std::mutex>& lock, Scratch& scratch) {
  lock.unlock();
  std::exception_ptr error;
  int64_t position = work.begin;
  try {
    for (; position < work.end; ++position) prepare_sample(*work.slot, position, scratch);
  } catch (...) {
    error = std::current_exception();
  }
  lock.lock();
  Slot& slot = *work.slot;
  if (error && (!slot.error || position < slot.error_position)) {
    slot.error = error;
    slot.error_position = position;
  }
  slot.finished += work.end - work.begin;
  if (slot.finished < slot.samples) return;
  if (!slot.error) {
    lock.unlock();
    mix_samples(slot);
    lock.lock();
  }
  slot.ready = true;
  batch_ready_.notify_all();
}

void Loader::mix_samples(Slot& slot) const {
  if (!options_.augmentation) return;
  Batch& batch = slot.batch;
  const int64_t off = options_.augmentation->mix_off_epoch;
  if (off > 0 && batch.epoch >= off) return;
  const int64_t side = options_.preprocessing.image_size;
  const auto classes = static_cast<int64_t>(dataset_->class_names().size());
  int64_t key = batch.step * options_.slices + options_.rank, position = 0;
  for (const BatchSlice& slice : slot.slices) {
    mix(batch.images.floats() + position * side * side * 3, batch.targets.floats() + position * classes, slice.size,
        side, classes, *options_.augmentation,
        RandomStream(options_.seed, "mix", static_cast<uint64_t>(batch.epoch), static_cast<uint64_t>(key)));
    key += options_.ranks;
    position += slice.size;
  }
}

void Loader::serve(const std::stop_token& stop) {
  lower_priority();
  Scratch scratch;
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    std::optional<Work> work;
    if (!slot_freed_.wait(lock, stop, [&] { return (work = take_work(end_)).has_value(); })) return;
    run(*work, lock, scratch);
  }
}

bool Loader::load_into(Slot& slot, int64_t position, int64_t index, Scratch& scratch) {
  Batch& batch = slot.batch;
  const SampleKey key{options_.seed, static_cast<uint64_t>(batch.epoch), static_cast<uint64_t>(index)};
  std::optional<Resizer> crop;
  const auto choose = [&](int width, int height) {
    crop = augmenter_ ? augmenter_->first_crop(width, height, key)
                      : evaluation_resizer(width, height, options_.preprocessing);
    return crop ? crop->part() : Rectangle{0, 0, width, height};
  };
  ImageView part;
  std::string damage;
  const bool strict = options_.on_bad_image == OnBadImage::strict;
  try {
    part = cache_.get(index, choose, scratch.image, damage);
  } catch (const Error& error) {
    if (options_.on_bad_image != OnBadImage::skip) throw;
    const std::scoped_lock lock(mutex_);
    bad_images_.insert(error.what());
    return false;
  }
  if (!damage.empty()) {
    if (strict) throw Error(damage + "; repair or remove it");
    const std::scoped_lock lock(mutex_);
    damaged_images_.insert(damage);
  }
  const int64_t side = options_.preprocessing.image_size;
  float* floats = batch.images.floats() + position * side * side * 3;
  if (augmenter_) {
    (*augmenter_)(part, crop, key, scratch.resize, floats);
  } else {
    (*crop)(part, scratch.resize, [&](int y, const uint8_t* row) {
      normalizer_.row(row, static_cast<int>(side), false, floats + y * side * 3);
    });
  }
  const auto classes = static_cast<int64_t>(dataset_->class_names().size());
  const int label = dataset_->label(index);
  float* target = batch.targets.floats() + position * classes;
  std::fill_n(target, classes, 0.0F);
  target[label] = 1.0F;
  batch.indices[static_cast<size_t>(position)] = index;
  batch.labels[static_cast<size_t>(position)] = label;
  return true;
}

void Loader::prepare_sample(Slot& slot, int64_t position, Scratch& scratch) {
  const int64_t count = dataset_->size();
  int64_t place = options_.offset + slot.batch.step * options_.batch_size, behind = position;
  for (const BatchSlice& slice : slot.slices) {
    if (behind < slice.size) {
      place += slice.first + behind;
      break;
    }
    behind -= slice.size;
  }
  const int64_t tries = options_.replace_skipped ? count : 1;
  for (int64_t offset = 0; offset < tries; ++offset) {
    const int64_t index = (*slot.order)[static_cast<size_t>((place + offset) % count)];
    slot.good[static_cast<size_t>(position)] = load_into(slot, position, index, scratch);
    if (slot.good[static_cast<size_t>(position)]) return;
  }
  if (tries > 1)
    throw Error(fmt::format("data: none of the {} images can be read, for example {}", count, bad_images().front()));
}

void Loader::leave_out_bad(Slot& slot) const {
  Batch& batch = slot.batch;
  const int64_t side = options_.preprocessing.image_size;
  const int64_t image_floats = side * side * 3;
  const auto classes = static_cast<int64_t>(dataset_->class_names().size());
  batch.size = 0;
  for (int64_t from = 0; from < slot.samples; ++from) {
    if (slot.good[static_cast<size_t>(from)] == 0) continue;
    const int64_t to = batch.size++;
    if (from == to) continue;
    std::copy_n(batch.images.floats() + from * image_floats, image_floats, batch.images.floats() + to * image_floats);
    std::copy_n(batch.targets.floats() + from * classes, classes, batch.targets.floats() + to * classes);
    batch.indices[static_cast<size_t>(to)] = batch.indices[static_cast<size_t>(from)];
    batch.labels[static_cast<size_t>(to)] = batch.labels[static_cast<size_t>(from)];
  }
}

void Loader::finish_batch(std::unique_lock<std::mutex>& lock) {
  const Slot& slot = slot_of(consumed_);
  if (opened_ <= consumed_ || slot.taken < slot.samples) {
    scratches_.resize(std::max(scratches_.size(), static_cast<size_t>(thread_count())));
    const int64_t left = (options_.batch_size + kSamplesPerWork - 1) / kSamplesPerWork;
    lock.unlock();
    parallel_for(left, [&](int64_t, int worker) {
      std::unique_lock own(mutex_);
      if (const auto work = take_work(consumed_ + 1)) run(*work, own, scratches_[static_cast<size_t>(worker)]);
    });
    lock.lock();
  }
  batch_ready_.wait(lock, [&] { return slot.ready; });
}

const Batch& Loader::next() {
  const auto start = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  if (std::exchange(lent_, false)) slot_freed_.notify_all();
  if (consumed_ >= end_) throw InternalError("data: the loader is past its last epoch");
  finish_batch(lock);
  Slot& slot = slot_of(consumed_);
  wait_seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (slot.error) std::rethrow_exception(slot.error);
  leave_out_bad(slot);
  ++consumed_;
  lent_ = true;
  return slot.batch;
}

std::vector<std::string> Loader::bad_images() const {
  const std::scoped_lock lock(mutex_);
  return {bad_images_.begin(), bad_images_.end()};
}

std::vector<std::string> Loader::damaged_images() const {
  const std::scoped_lock lock(mutex_);
  return {damaged_images_.begin(), damaged_images_.end()};
}

std::string describe_damaged(const std::vector<std::string>& damaged) {
  constexpr size_t kNamed = 3;
  std::string text = damaged.size() == 1 ? "1 damaged image was read all the same: "
                                         : fmt::format("{} damaged images were read all the same: ", damaged.size());
  for (size_t i = 0; i < std::min(kNamed, damaged.size()); ++i) text += (i == 0 ? "" : "; ") + damaged[i];
  if (damaged.size() > kNamed)
    text += fmt::format("; and {} more, which `convoy data check` lists", damaged.size() - kNamed);
  return text;
}

}  // namespace convoy
