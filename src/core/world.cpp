#include "core/world.h"

#include <fmt/format.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "convoy/bf16.h"

namespace convoy {
namespace {

constexpr double kTickSeconds = 0.1;    // between two looks at what others have to tell
constexpr double kTellSeconds = 1;      // between two signs of life
constexpr double kGraceSeconds = 3;     // for those who hear of a failure
constexpr size_t kPartsAtOnce = 4;      // on their way, so that the link is not idle between two
constexpr int kPatientPolls = 20;       // before a wait begins to sleep between two polls
constexpr size_t kSummedAtOnce = 2048;  // elements
// Of a tensor that goes as it is; smaller ones go together.
constexpr size_t kAloneElements = size_t{1} << 15;
constexpr auto kNap = std::chrono::microseconds(100);

enum Tag : int { kNoticeTag = 1, kSumTag, kShareTag, kSizeTag, kTextTag, kRootTag };

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Processor time of this process without that of the calling thread.
double work_of_others() {
  const auto seconds = [](clockid_t clock) {
    timespec time{};
    clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  return seconds(CLOCK_PROCESS_CPUTIME_ID) - seconds(CLOCK_THREAD_CPUTIME_ID);
}

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown host";
}

template <class T>
std::span<std::byte> bytes_of(T& value) {
  return std::as_writable_bytes(std::span(&value, 1));
}

double value_of(double x) { return x; }
float value_of(float x) { return x; }
float value_of(Bf16 x) { return x; }

}  // namespace

// A rank that is listened to.
struct World::Peer {
  int rank = 0;
  double heard = now();
  bool said_bye = false, was_told_bye = false;
  Notice in, out;
  int receiving = -1;  // transfers; -1: none
  int sending = -1;
};

World::World(std::unique_ptr<Transport> transport, double silence_seconds)
    : transport_(std::move(transport)),
      rank_(transport_->rank()),
      size_(transport_->size()),
      silence_seconds_(silence_seconds) {
  for (int other = 0; other < size_; ++other) {
    if (other == rank_ || (rank_ != 0 && other != 0)) continue;
    auto peer = std::make_unique<Peer>();
    peer->rank = other;
    peers_.push_back(std::move(peer));
  }
  thread_ = std::thread([this] { serve(); });
  try {
    run([this] { hosts_ = gather_now(host_name()); });
  } catch (...) {
    end_thread();
    throw;
  }
}

World::~World() {
  try {
    run([this] { say_goodbye(); });
  } catch (const Error&) {
    // The world has failed; there is nobody to wait for.
  }
  end_thread();
  if (!failure_) transport_->finish();
}

void World::end_thread() {
  {
    const std::scoped_lock lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

std::string World::name(int rank) const {
  const auto index = static_cast<size_t>(rank);
  return index < hosts_.size() ? fmt::format("rank {} ({})", rank, hosts_[index]) : fmt::format("rank {}", rank);
}

bool World::same_host(int rank) const {
  return hosts_[static_cast<size_t>(rank)] == hosts_[static_cast<size_t>(rank_)];
}

int World::ranks_here() const {
  return static_cast<int>(std::ranges::count(hosts_, hosts_[static_cast<size_t>(rank_)]));
}

int64_t World::bytes_sent() const {
  const std::scoped_lock lock(mutex_);
  return bytes_sent_;
}

World::JobPtr World::enqueue(Job job) {
  auto shared = std::make_shared<Job>(std::move(job));
  {
    const std::scoped_lock lock(mutex_);
    jobs_.push_back(shared);
    if (!shared->tensors.empty()) finishing_.push_back(shared);
  }
  wake_.notify_all();
  return shared;
}

void World::wait_for(const JobPtr& job) {
  const double begin = now();
  std::unique_lock lock(mutex_);
  ++waiting_;
  job_done_.wait(lock, [&] { return job->is_done || failure_; });
  --waiting_;
  wait_seconds_ += now() - begin;
  if (failure_) throw_failure();
}

void World::throw_failure() const {
  if (failure_->reporter == rank_) throw Error(failure_->text);
  throw EndedByAnotherRank();
}

void World::serve() {
  try {
    while (true) {
      const JobPtr job = next_job(!parts_.empty());
      tend();
      if (job == nullptr && parts_.empty()) {
        const std::scoped_lock lock(mutex_);
        if (jobs_.empty() && stop_) return;
        continue;
      }
      if (job != nullptr && job->tensors.empty()) {
        job->run();
        finish(job);
      } else if (job != nullptr) {
        append_parts(job);
      }
      const bool has_moved = advance() || job != nullptr;
      idle_polls_ = has_moved ? 0 : idle_polls_ + 1;
      if (has_moved || parts_.empty()) continue;
      idle_polls_ < kPatientPolls ? std::this_thread::yield() : std::this_thread::sleep_for(kNap);
    }
  } catch (const Stopped&) {
    take_last_resort();
  }
}

// What can begin now, which is waited for unless parts are on their way; null: nothing.
World::JobPtr World::next_job(bool is_busy) {
  std::unique_lock lock(mutex_);
  if (!is_busy) {
    wake_.wait_for(lock, std::chrono::duration<double>(kTickSeconds),
                   [this] { return !jobs_.empty() || stop_ || own_failure_; });
  }
  if (jobs_.empty()) return nullptr;
  const bool is_sum = !jobs_.front()->tensors.empty();
  if (is_busy && (!is_sum || parts_.size() >= kPartsAtOnce)) return nullptr;
  JobPtr job = std::move(jobs_.front());
  jobs_.pop_front();
  return job;
}

void World::finish(const JobPtr& job) {
  const std::scoped_lock lock(mutex_);
  job->is_done = true;
  job_done_.notify_all();
}

void World::take_last_resort() {
  std::unique_lock lock(mutex_);
  job_done_.notify_all();
  const bool ends = wake_.wait_for(lock, std::chrono::duration<double>(2 * kGraceSeconds), [this] { return stop_; });
  if (!ends && last_resort_) last_resort_(failure_->reporter == rank_ ? failure_->text : "");
}

void World::set_last_resort(std::function<void(const std::string& line)> last_resort) {
  const std::scoped_lock lock(mutex_);
  last_resort_ = std::move(last_resort);
}

void World::sum(std::span<double> values) {
  run([this, values] { sum_now(values); });
}

void World::sum(std::span<float> values) {
  run([this, values] { sum_now(values); });
}

void World::begin_sum(std::vector<std::span<float>> tensors) { enqueue({.run = {}, .tensors = std::move(tensors)}); }

void World::finish_sum(const float* first) {
  JobPtr job;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = std::ranges::find_if(
        finishing_, [first](const JobPtr& other) { return other->tensors.front().data() == first; });
    if (found == finishing_.end()) throw InternalError("world: no such sum was begun");
    job = *found;
    finishing_.erase(found);
  }
  wait_for(job);
}

void World::broadcast(std::span<std::byte> bytes) {
  run([this, bytes] {
    std::vector<int> transfers;
    if (rank_ != 0) transfers.push_back(transport_->receive(0, kRootTag, piece(bytes, rank_, 1)));
    for (int to = 1; rank_ == 0 && to < size_; ++to) transfers.push_back(send_to(to, kRootTag, piece(bytes, to, 1)));
    wait_all(transfers);
    transfers = begin_sharing(bytes, 1);
    wait_all(transfers);
  });
}

std::vector<std::string> World::gather(std::string_view text) {
  std::vector<std::string> texts;
  run([&] { texts = gather_now(text); });
  return texts;
}

std::vector<std::string> World::gather_now(std::string_view text) {
  std::vector<std::string> texts(static_cast<size_t>(size_));
  std::vector<uint64_t> sizes(texts.size());
  uint64_t own_size = text.size();
  std::vector<int> transfers;
  for (int other = 0; other < size_; ++other) {
    if (other == rank_) continue;
    transfers.push_back(transport_->receive(other, kSizeTag, bytes_of(sizes[static_cast<size_t>(other)])));
    transfers.push_back(send_to(other, kSizeTag, bytes_of(own_size)));
  }
  wait_all(transfers);
  texts[static_cast<size_t>(rank_)] = text;
  for (int other = 0; other < size_; ++other) {
    if (other == rank_) continue;
    std::string& theirs = texts[static_cast<size_t>(other)];
    theirs.resize(sizes[static_cast<size_t>(other)]);
    transfers.push_back(transport_->receive(other, kTextTag, std::as_writable_bytes(std::span(theirs))));
    transfers.push_back(send_to(other, kTextTag, std::as_bytes(std::span(text))));
  }
  wait_all(transfers);
  return texts;
}

// Of `whole`, cut as evenly as can be in units of `element` bytes.
std::span<std::byte> World::piece(std::span<std::byte> whole, int owner, size_t element) const {
  const size_t count = whole.size() / element, ranks = static_cast<size_t>(size_), index = static_cast<size_t>(owner);
  const size_t begin = count * index / ranks, end = count * (index + 1) / ranks;
  return whole.subspan(begin * element, (end - begin) * element);
}

// Every rank gets its piece of all others, one behind the other.
std::vector<int> World::begin_sum_of(std::span<std::byte> whole, size_t element, std::vector<std::byte>& received) {
  const size_t own = piece(whole, rank_, element).size();
  received.resize(std::max(received.size(), own * static_cast<size_t>(size_)));
  std::vector<int> transfers;
  for (int other = 0; other < size_; ++other) {
    if (other == rank_) continue;
    const auto place = std::span(received).subspan(static_cast<size_t>(other) * own, own);
    transfers.push_back(transport_->receive(other, kSumTag, place));
    transfers.push_back(send_to(other, kSumTag, piece(whole, other, element)));
  }
  return transfers;
}

// The rank's own piece becomes the sum, in the order of the ranks.
template <class Number>
void World::add_pieces(std::span<std::byte> whole, std::span<const std::byte> received) const {
  using Value = decltype(value_of(Number()));
  const std::span<std::byte> own = piece(whole, rank_, sizeof(Number));
  auto* const sums = reinterpret_cast<Number*>(own.data());
  const size_t count = own.size() / sizeof(Number);
  std::array<Value, kSummedAtOnce> totals;  // stay in the first cache
  for (size_t begin = 0; begin < count; begin += kSummedAtOnce) {
    const size_t summed = std::min(kSummedAtOnce, count - begin);
    std::fill_n(totals.begin(), summed, Value{0});
    for (int other = 0; other < size_; ++other) {
      const std::byte* from = other == rank_ ? own.data() : received.data() + static_cast<size_t>(other) * own.size();
      const auto* terms = reinterpret_cast<const Number*>(from) + begin;
      for (size_t i = 0; i < summed; ++i) totals[i] += value_of(terms[i]);
    }
    std::transform(totals.begin(), totals.begin() + static_cast<ptrdiff_t>(summed), sums + begin,
                   [](Value x) { return Number(x); });
  }
}

// Every rank has its own piece, and in the end all.
std::vector<int> World::begin_sharing(std::span<std::byte> whole, size_t element) {
  std::vector<int> transfers;
  for (int other = 0; other < size_; ++other) {
    if (other == rank_) continue;
    transfers.push_back(transport_->receive(other, kShareTag, piece(whole, other, element)));
    transfers.push_back(send_to(other, kShareTag, piece(whole, rank_, element)));
  }
  return transfers;
}

template <class Number>
void World::sum_now(std::span<Number> values) {
  const std::span<std::byte> whole = std::as_writable_bytes(values);
  std::vector<int> transfers = begin_sum_of(whole, sizeof(Number), received_);
  wait_all(transfers);
  add_pieces<Number>(whole, received_);
  transfers = begin_sharing(whole, sizeof(Number));
  wait_all(transfers);
}

// Large tensors go alone and as they are, unless their type changes.
void World::append_parts(const JobPtr& job) {
  Part together{.job = job, .in_bf16 = send_bf16_};
  for (const std::span<float> tensor : job->tensors) {
    if (send_bf16_ || tensor.size() < kAloneElements) {
      together.tensors.push_back(tensor);
      continue;
    }
    parts_.push_back({.job = job, .tensors = {tensor}, .whole = std::as_writable_bytes(tensor)});
    ++job->parts_left;
  }
  if (together.tensors.empty()) return;
  parts_.push_back(std::move(together));
  ++job->parts_left;
}

// Whether something has moved. Ranks share sums in the order of the parts, as they begin them.
bool World::advance() {
  bool moved = false, may_share = true;
  for (size_t i = 0; i < std::min(kPartsAtOnce, parts_.size()); ++i) {
    Part& part = parts_[i];
    if (part.stage == Part::Stage::waiting) begin(part);
    if (part.stage == Part::Stage::adding && may_share && all_done(part.transfers)) {
      add_and_share(part);
      moved = true;
    }
    may_share = may_share && part.stage != Part::Stage::adding;
    if (part.stage == Part::Stage::sharing && all_done(part.transfers)) {
      land(part);
      part.stage = Part::Stage::done;
      if (--part.job->parts_left == 0) finish(part.job);
      moved = true;
    }
  }
  std::erase_if(parts_, [](const Part& part) { return part.stage == Part::Stage::done; });
  return moved;
}

void World::begin(Part& part) {
  const size_t element = part.in_bf16 ? sizeof(Bf16) : sizeof(float);
  if (part.whole.empty()) {
    size_t count = 0;
    for (const std::span<float> tensor : part.tensors) count += tensor.size();
    part.packed.resize(count * element);
    part.whole = part.packed;
    std::byte* next = part.packed.data();
    for (const std::span<float> tensor : part.tensors) {
      if (part.in_bf16) {
        std::transform(tensor.begin(), tensor.end(), reinterpret_cast<Bf16*>(next), [](float x) { return Bf16(x); });
      } else {
        std::copy(tensor.begin(), tensor.end(), reinterpret_cast<float*>(next));
      }
      next += tensor.size() * element;
    }
  }
  part.transfers = begin_sum_of(part.whole, element, part.received);
  part.stage = Part::Stage::adding;
}

void World::add_and_share(Part& part) {
  part.in_bf16 ? add_pieces<Bf16>(part.whole, part.received) : add_pieces<float>(part.whole, part.received);
  part.transfers = begin_sharing(part.whole, part.in_bf16 ? sizeof(Bf16) : sizeof(float));
  part.stage = Part::Stage::sharing;
}

void World::land(const Part& part) {
  const std::byte* from = part.packed.data();
  if (part.packed.empty()) return;
  for (const std::span<float> tensor : part.tensors) {
    if (part.in_bf16) {
      const auto* values = reinterpret_cast<const Bf16*>(from);
      std::transform(values, values + tensor.size(), tensor.begin(), [](Bf16 x) { return value_of(x); });
      from += tensor.size() * sizeof(Bf16);
    } else {
      std::memcpy(tensor.data(), from, tensor.size_bytes());
      from += tensor.size_bytes();
    }
  }
}

bool World::all_done(std::vector<int>& transfers) {
  std::erase_if(transfers, [this](int transfer) { return transport_->done(transfer); });
  return transfers.empty();
}

int World::send_to(int to, int tag, std::span<const std::byte> message) {
  {
    const std::scoped_lock lock(mutex_);
    bytes_sent_ += static_cast<int64_t>(message.size());
  }
  return transport_->send(to, tag, message);
}

void World::wait_all(std::vector<int>& transfers) {
  for (int polls = 0; !transfers.empty(); ++polls) {
    if (all_done(transfers)) return;
    tend();
    polls < kPatientPolls ? std::this_thread::yield() : std::this_thread::sleep_for(kNap);
  }
}

void World::hear(Peer& peer) {
  if (peer.receiving < 0 && !peer.said_bye) {
    peer.receiving = transport_->receive(peer.rank, kNoticeTag, bytes_of(peer.in));
  }
  if (peer.receiving < 0 || !transport_->done(peer.receiving)) return;
  peer.receiving = -1;
  peer.heard = now();
  if (peer.in.kind == Notice::Kind::bye) peer.said_bye = true;
  if (peer.in.kind == Notice::Kind::failed) announce(peer.in);
}

// Whether what was told before is on its way still.
bool World::is_telling(Peer& peer) {
  if (peer.sending >= 0 && transport_->done(peer.sending)) peer.sending = -1;
  return peer.sending >= 0;
}

void World::tell(Peer& peer, const Notice& notice) {
  if (peer.was_told_bye || is_telling(peer)) return;
  peer.out = notice;
  peer.was_told_bye = notice.kind == Notice::Kind::bye;
  peer.sending = transport_->send(peer.rank, kNoticeTag, bytes_of(peer.out));
}

// Ends the world, once the others know; ranks that cannot be reached are left.
void World::announce(const Notice& notice) {
  const double end = now() + kGraceSeconds;
  const auto wait_until_told = [&] {
    const auto is_busy = [this](const std::unique_ptr<Peer>& peer) { return is_telling(*peer); };
    while (now() < end && std::ranges::any_of(peers_, is_busy)) std::this_thread::sleep_for(kNap);
  };
  Notice decided = notice;
  const bool is_own = notice.reporter == rank_;
  if (rank_ == 0 || is_own) {
    wait_until_told();
    for (const auto& peer : peers_) tell(*peer, notice);
    wait_until_told();
  }
  // Of ranks that fail at once, rank 0 says whose failure it is.
  while (rank_ != 0 && is_own && now() < end) {
    Peer& root = *peers_.front();
    if (root.receiving < 0) root.receiving = transport_->receive(0, kNoticeTag, bytes_of(root.in));
    if (!transport_->done(root.receiving)) {
      std::this_thread::sleep_for(kNap);
      continue;
    }
    root.receiving = -1;
    if (root.in.kind != Notice::Kind::failed) continue;
    decided = root.in;
    break;
  }
  {
    const std::scoped_lock lock(mutex_);
    failure_ = decided;
  }
  throw Stopped();
}

void World::check_silence() {
  for (const auto& peer : peers_) {
    const double silence = now() - peer->heard;
    // Of rank 0's, rank 1 tells; the others leave it the time to.
    const double patience = silence_seconds_ + (rank_ > 1 ? kGraceSeconds : 0);
    if (silence < patience || peer->said_bye) continue;
    Notice notice{.kind = Notice::Kind::failed, .reporter = rank_};
    const std::string text =
        fmt::format("{}: no sign of life for {:.0f} s; look at that process or its machine, and go on with --resume",
                    name(peer->rank), silence);
    text.copy(notice.text, sizeof notice.text - 1);
    announce(notice);
  }
}

// A rank whose process is alive but stands still, as where a disk does not answer, finds it out itself.
void World::check_progress() {
  constexpr double kLeastShare = 0.005;  // of a processor
  const double time = now(), patience = 1.5 * silence_seconds_, work = work_of_others();
  const bool waits = [this] {
    const std::scoped_lock lock(mutex_);
    return waiting_ > 0;
  }();
  if (waits || work - work_then_ > kLeastShare * patience) {
    last_progress_ = time;
    work_then_ = work;
  }
  if (time - last_progress_ < patience) return;
  Notice notice{.kind = Notice::Kind::failed, .reporter = rank_};
  const std::string text =
      fmt::format("{}: has done nothing for {:.0f} s; see whether its disk answers, and go on with --resume",
                  name(rank_), patience);
  text.copy(notice.text, sizeof notice.text - 1);
  announce(notice);
}

void World::tend() {
  const double time = now();
  if (time - last_tended_ < kTickSeconds) return;
  // Who was stopped and goes on cannot blame others.
  const bool was_away = time - last_tended_ > silence_seconds_ / 2;
  last_tended_ = time;
  std::optional<Notice> own;
  {
    const std::scoped_lock lock(mutex_);
    own = own_failure_;
  }
  if (own) announce(*own);
  if (was_away) last_progress_ = time;
  for (const auto& peer : peers_) {
    if (was_away) peer->heard = time;
    hear(*peer);
  }
  if (time - last_told_ >= kTellSeconds) {
    last_told_ = time;
    for (const auto& peer : peers_) tell(*peer, {});
  }
  check_silence();
  check_progress();
}

// Rank 0 hears all, and then tells them that they may go; what is sent is received.
void World::say_goodbye() {
  const auto wait_while = [this](const auto& busy) {
    while (busy()) {
      tend();
      std::this_thread::sleep_for(kNap);
    }
  };
  const auto tell_all = [&] {
    for (const auto& peer : peers_) {
      wait_while([&] { return is_telling(*peer); });
      tell(*peer, {.kind = Notice::Kind::bye});
      wait_while([&] { return is_telling(*peer); });
    }
  };
  const auto hear_all = [&] {
    for (const auto& peer : peers_) wait_while([&] { return !peer->said_bye; });
  };
  if (rank_ == 0) {
    hear_all();
    tell_all();
  } else {
    tell_all();
    hear_all();
  }
}

std::optional<std::string> World::fail(std::string_view message) {
  const std::string text = fmt::format("{}: {}", name(rank_), message);
  std::unique_lock lock(mutex_);
  if (!failure_) {
    own_failure_ = Notice{.kind = Notice::Kind::failed, .reporter = rank_};
    text.copy(own_failure_->text, sizeof own_failure_->text - 1);
    wake_.notify_all();
    job_done_.wait_for(lock, std::chrono::duration<double>(2 * kGraceSeconds), [this] { return failure_.has_value(); });
  }
  if (failure_ && failure_->reporter != rank_) return std::nullopt;
  return failure_ ? failure_->text : text;
}

int threads_of_rank(World& world) {
  cpu_set_t own;
  CPU_ZERO(&own);
  sched_getaffinity(0, sizeof own, &own);
  const std::vector<cpu_set_t> all = gather_all(world, own);
  int sharers = 0;
  for (int rank = 0; rank < world.size(); ++rank) {
    sharers += world.same_host(rank) && CPU_EQUAL(&own, &all[static_cast<size_t>(rank)]) ? 1 : 0;
  }
  return std::max(1, CPU_COUNT(&own) / sharers);
}

}  // namespace convoy
