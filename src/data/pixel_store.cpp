#include "data/pixel_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "convoy/error.h"
#include "core/byte_size.h"
#include "core/world.h"

namespace convoy {
namespace {

// The memory begins with a word that says how many of its bytes are used, and a word a sample that says where its image
// is, or 0. An image is its width and height, and its pixels.
constexpr size_t kAlignment = 64;
struct StoredSize {
  int32_t width = 0, height = 0;
};

constexpr size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }
constexpr size_t place_of(int64_t sample) { return (static_cast<size_t>(sample) + 1) * sizeof(uint64_t); }
constexpr size_t images_begin(int64_t samples) { return aligned(place_of(samples)); }

// An open file, or none: -1.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int number() const { return number_; }

 private:
  const int number_;
};

// What a rank tells the others of the memory that it has made.
struct SharedMemory {
  int64_t process = 0;
  int64_t descriptor = -1;
  uint64_t key = 0;  // stands behind the store, so that another file of that number is not taken for it
};

// The descriptor of a memory file; -1 where the system refuses it.
int make_memory(size_t bytes, uint64_t key) {
  const int file = ::memfd_create("convoy-images", MFD_CLOEXEC);
  if (file < 0) return -1;
  const auto end = static_cast<off_t>(bytes);
  if (::ftruncate(file, end) == 0 && ::pwrite(file, &key, sizeof key, end) == sizeof key) return file;
  ::close(file);
  return -1;
}

// The same file, by another descriptor; -1 where it cannot be opened.
int open_memory(const SharedMemory& theirs, size_t bytes) {
  if (theirs.descriptor < 0) return -1;
  const std::string path = fmt::format("/proc/{}/fd/{}", theirs.process, theirs.descriptor);
  const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0) return -1;
  uint64_t key = 0;
  const bool is_it = ::pread(file, &key, sizeof key, static_cast<off_t>(bytes)) == sizeof key && key == theirs.key;
  if (is_it) return file;
  ::close(file);
  return -1;
}

Buffer map(int file, size_t bytes) {
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
  if (memory != MAP_FAILED) {
    return {static_cast<std::byte*>(memory), bytes, [](std::byte* data, size_t size) { ::munmap(data, size); }};
  }
  throw MemoryError(fmt::format("cache: the system refuses {} of addresses for decoded images; give --cache none",
                                byte_size_text(static_cast<int64_t>(bytes))));
}

uint64_t random_key() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

}  // namespace

PixelStore::PixelStore(int64_t samples, Buffer memory)
    : memory_(std::move(memory)), first_image_(images_begin(samples)), accepts_(memory_.size() > first_image_) {
  static_assert(std::atomic_ref<uint64_t>::is_always_lock_free, "processes share words without locks");
  uint64_t nothing = 0;
  word(0).compare_exchange_strong(nothing, first_image_, std::memory_order_relaxed);
}

size_t PixelStore::bytes_for(int64_t samples, size_t capacity) { return images_begin(samples) + capacity; }

std::atomic_ref<uint64_t> PixelStore::word(size_t offset) const {
  return std::atomic_ref<uint64_t>(*reinterpret_cast<uint64_t*>(memory_.data() + offset));
}

std::optional<ImageView> PixelStore::find(int64_t sample) const {
  const uint64_t offset = word(place_of(sample)).load(std::memory_order_acquire);
  // The others are trusted not to write nonsense, but not with this process's memory.
  if (offset < first_image_ || offset > memory_.size() - sizeof(StoredSize)) return std::nullopt;
  StoredSize size;
  std::memcpy(&size, memory_.data() + offset, sizeof size);
  const size_t room = memory_.size() - offset - sizeof size;
  if (size.width < 1 || size.height < 1 ||
      static_cast<size_t>(size.width) * static_cast<size_t>(size.height) > room / Image::kChannels) {
    return std::nullopt;
  }
  const auto* const pixels = reinterpret_cast<const uint8_t*>(memory_.data() + offset + sizeof size);
  return ImageView{pixels, size.width, size.height, ptrdiff_t{Image::kChannels} * size.width};
}

void PixelStore::store(int64_t sample, const Image& image) {
  const std::atomic_ref<uint64_t> used = word(0), place = word(place_of(sample));
  if (place.load(std::memory_order_relaxed) != 0) return;
  const StoredSize size{image.width(), image.height()};
  const uint64_t bytes = aligned(sizeof size + image.bytes());
  uint64_t begin = used.load(std::memory_order_relaxed);
  do {
    if (begin > memory_.size() || bytes > memory_.size() - begin) {
      return accepts_.store(false, std::memory_order_relaxed);
    }
  } while (!used.compare_exchange_weak(begin, begin + bytes, std::memory_order_relaxed));
  std::memcpy(memory_.data() + begin, &size, sizeof size);
  std::memcpy(memory_.data() + begin + sizeof size, image.row(0), image.bytes());
  // Where another one was faster meanwhile, the room is lost.
  uint64_t nothing = 0;
  place.compare_exchange_strong(nothing, begin, std::memory_order_release, std::memory_order_relaxed);
}

PixelStorePtr make_pixel_store(int64_t samples, size_t bytes, World* world) {
  if (world == nullptr || world->size() == 1) return std::make_shared<PixelStore>(samples, bytes);
  // All ranks make the same calls of the world, whatever fails.
  const auto here = [&](const std::vector<size_t>& of_ranks) {
    size_t sum = 0;
    for (int rank = 0; rank < world->size(); ++rank) {
      if (world->same_host(rank)) sum += of_ranks[static_cast<size_t>(rank)];
    }
    return sum;
  };
  int first = 0;  // on this host
  while (!world->same_host(first)) ++first;
  const size_t file_bytes = PixelStore::bytes_for(samples, here(gather_all(*world, bytes)));
  SharedMemory own{.process = ::getpid(), .descriptor = -1, .key = random_key()};
  const Descriptor made(first == world->rank() && world->ranks_here() > 1 ? make_memory(file_bytes, own.key) : -1);
  own.descriptor = made.number();
  const std::vector<SharedMemory> all = gather_all(*world, own);
  const Descriptor opened(open_memory(all[static_cast<size_t>(first)], file_bytes));
  // Behind this the memory may do without `made`. A rank that has not opened it keeps its bytes to itself.
  const size_t capacity = here(gather_all(*world, opened.number() < 0 ? 0 : bytes));
  if (opened.number() < 0) return std::make_shared<PixelStore>(samples, bytes);
  return std::make_shared<PixelStore>(samples, map(opened.number(), PixelStore::bytes_for(samples, capacity)));
}

}  // namespace convoy
