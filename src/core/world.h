// The processes, ranks, that train one network together.
//
// A World's messages are moved by a thread of its own, so that gradients are summed while others are computed. What one
// rank does, all must do in the same order. Each hears of the others all the time: when a rank fails, falls silent or
// finds that it hangs, the next call of every one throws.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <vector>

#include "convoy/error.h"
#include "core/transport.h"

namespace convoy {

// Another rank has failed, and its line is printed there.
class EndedByAnotherRank : public Error {
 public:
  EndedByAnotherRank() : Error("another rank has ended the run") {}
};

class World {
 public:
  // From the moment when nothing is heard of a rank; half as long again from when its process no longer computes, nor
  // waits for the others.
  static constexpr double kSilenceSeconds = 10;

  // Returns when all ranks are there.
  explicit World(std::unique_ptr<Transport> transport, double silence_seconds = kSilenceSeconds);
  // Waits for the others, unless the world has failed.
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  bool is_first() const { return rank_ == 0; }
  // "rank 1 (node7)"
  std::string name(int rank) const;
  // Whether a rank is on the host of this one, and how many are.
  bool same_host(int rank) const;
  int ranks_here() const;

  // Each element becomes the sum of those of all ranks, 0 + rank 0's + rank 1's + ..., the same bits on all.
  void sum(std::span<double> values);
  void sum(std::span<float> values);
  // Everything becomes that of rank 0.
  void broadcast(std::span<std::byte> bytes);
  // The texts of all ranks, by rank.
  std::vector<std::string> gather(std::string_view text);

  // From now on gradients go from rank to rank in bf16, rounded before and behind the sum; what sum() sums does not.
  void send_bf16(bool on) { send_bf16_ = on; }
  // Begins to sum tensors as sum() does; until finish_sum(), which is told where the first of them begins, they are the
  // world's. Sums that were begun one after another are computed in that order.
  void begin_sum(std::vector<std::span<float>> tensors);
  void finish_sum(const float* first);

  // What the world's thread calls, with the line to print or "", where the world has failed and is not destroyed within
  // seconds: its caller hangs, so that nothing but the end of the process helps.
  void set_last_resort(std::function<void(const std::string& line)> last_resort);

  // Tells the others that this rank ends because of `message`. The line to print, which names the rank, where it is
  // this one's to print; of ranks that fail at once, one prints.
  std::optional<std::string> fail(std::string_view message);

  // Time that the callers of this rank have waited for sums, and bytes that it has sent.
  double wait_seconds() const { return wait_seconds_; }
  int64_t bytes_sent() const;

 private:
  struct Job {
    std::function<void()> run;
    std::vector<std::span<float>> tensors =
        {};                 // in place of `run`: a sum that is finished later, by the first of them
    size_t parts_left = 0;  // of it
    bool is_done = false;
  };
  using JobPtr = std::shared_ptr<Job>;
  // What ranks tell each other beside their data.
  struct Notice {
    enum class Kind : int32_t { alive, bye, failed };
    Kind kind = Kind::alive;
    int32_t reporter = -1;  // failed: the rank that prints the line
    char text[504] = {};    // failed: the line
  };
  struct Peer;
  // A part of a sum on its way: a large tensor, or small ones together. Each rank gets its piece of all others, adds
  // them up, and sends the sum to all.
  struct Part {
    enum class Stage : uint8_t { waiting, adding, sharing, done };
    JobPtr job = nullptr;
    std::vector<std::span<float>> tensors = {};
    Stage stage = Stage::waiting;
    bool in_bf16 = false;
    std::span<std::byte> whole = {};  // as it is sent
    std::vector<std::byte> packed = {}, received = {};
    std::vector<int> transfers = {};
  };
  class Stopped {};  // the world has failed

  void serve();
  void take_last_resort();
  void end_thread();
  JobPtr enqueue(Job job);
  void wait_for(const JobPtr& job);
  void run(std::function<void()> job) { wait_for(enqueue({.run = std::move(job)})); }
  [[noreturn]] void throw_failure() const;

  // By the world's thread:
  JobPtr next_job(bool is_busy);
  void finish(const JobPtr& job);
  void append_parts(const JobPtr& job);
  bool advance();
  void begin(Part& part);
  void add_and_share(Part& part);
  static void land(const Part& part);
  bool all_done(std::vector<int>& transfers);
  std::vector<std::string> gather_now(std::string_view text);
  void tend();
  void hear(Peer& peer);
  bool is_telling(Peer& peer);
  void tell(Peer& peer, const Notice& notice);
  [[noreturn]] void announce(const Notice& notice);
  void check_silence();
  void check_progress();
  void say_goodbye();
  void wait_all(std::vector<int>& transfers);
  int send_to(int to, int tag, std::span<const std::byte> message);
  std::span<std::byte> piece(std::span<std::byte> whole, int owner, size_t element) const;
  std::vector<int> begin_sum_of(std::span<std::byte> whole, size_t element, std::vector<std::byte>& received);
  template <class Number>
  void add_pieces(std::span<std::byte> whole, std::span<const std::byte> received) const;
  std::vector<int> begin_sharing(std::span<std::byte> whole, size_t element);
  template <class Number>
  void sum_now(std::span<Number> whole);

  const std::unique_ptr<Transport> transport_;
  const int rank_, size_;
  const double silence_seconds_;
  std::vector<std::string> hosts_;
  std::vector<std::unique_ptr<Peer>> peers_;  // those that this rank hears: rank 0, or of rank 0 all others
  double last_tended_ = 0, last_told_ = 0;
  double last_progress_ = 0, work_then_ = 0;  // when the process last computed, and processor seconds until then
  bool send_bf16_ = false;
  std::deque<Part> parts_;  // in the order of their sums; the first few are on their way
  std::vector<std::byte> received_;
  int idle_polls_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable wake_, job_done_;
  std::deque<JobPtr> jobs_;       // not begun
  std::deque<JobPtr> finishing_;  // sums that were begun, until finish_sum()
  int waiting_ = 0;               // callers
  bool stop_ = false;
  std::function<void(const std::string& line)> last_resort_;
  std::optional<Notice> own_failure_;  // to be announced
  std::optional<Notice> failure_;      // why the world has ended
  double wait_seconds_ = 0;
  int64_t bytes_sent_ = 0;
  std::thread thread_;  // last
};

// The processors that a rank's process may run on, shared out among the ranks that may run on the same.
int threads_of_rank(World& world);

// Lists of plain values of all ranks, one behind the other.
template <class T>
std::vector<T> gather_all(World& world, std::span<const T> values) {
  static_assert(std::is_trivially_copyable_v<T>);
  const auto* const bytes = reinterpret_cast<const char*>(values.data());
  std::vector<T> all;
  for (const std::string& text : world.gather({bytes, values.size_bytes()})) {
    const size_t before = all.size(), count = text.size() / sizeof(T);
    all.resize(before + count);
    if (count > 0) std::memcpy(all.data() + before, text.data(), text.size());
  }
  return all;
}

template <class T>
std::vector<T> gather_all(World& world, const T& value) {
  return gather_all(world, std::span<const T>(&value, 1));
}

}  // namespace convoy
