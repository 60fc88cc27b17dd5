// Worlds whose ranks are threads of one process, for tests.
#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <tuple>
#include <vector>

#include "core/world.h"

namespace convoy {

// The messages between such ranks.
struct ThreadMail {
  std::mutex mutex;
  std::map<std::tuple<int, int, int>, std::deque<std::vector<std::byte>>> boxes;  // from, to, tag
};

class ThreadTransport : public Transport {
 public:
  ThreadTransport(std::shared_ptr<ThreadMail> mail, int rank, int size)
      : mail_(std::move(mail)), rank_(rank), size_(size) {}

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int send(int to, int tag, std::span<const std::byte> message) override {
    const std::scoped_lock lock(mail_->mutex);
    mail_->boxes[{rank_, to, tag}].emplace_back(message.begin(), message.end());
    return next_++;
  }
  int receive(int from, int tag, std::span<std::byte> message) override {
    awaited_[next_] = {{from, rank_, tag}, message};
    return next_++;
  }
  bool done(int transfer) override {
    const auto found = awaited_.find(transfer);
    if (found == awaited_.end()) return true;
    const auto box = found->second.first;
    const std::span<std::byte> message = found->second.second;
    // Messages come to those that were waited for first.
    const auto of_box = [&](const auto& other) { return other.second.first == box; };
    if (std::find_if(awaited_.begin(), found, of_box) != found) return false;
    const std::scoped_lock lock(mail_->mutex);
    auto& waiting = mail_->boxes[box];
    if (waiting.empty()) return false;
    if (waiting.front().size() != message.size()) throw InternalError("a message has another length than is expected");
    if (!message.empty()) std::memcpy(message.data(), waiting.front().data(), message.size());
    waiting.pop_front();
    awaited_.erase(found);
    return true;
  }
  void finish() override {}

 private:
  std::shared_ptr<ThreadMail> mail_;
  int rank_, size_;
  int next_ = 0;
  std::map<int, std::pair<std::tuple<int, int, int>, std::span<std::byte>>> awaited_;
};

// Calls body(world) on a thread for each rank, and tells the world where it throws. What each rank would print comes
// back; empty where that is nothing.
inline std::vector<std::string> in_world(int size, const std::function<void(World&)>& body,
                                         double silence_seconds = World::kSilenceSeconds) {
  const auto mail = std::make_shared<ThreadMail>();
  std::vector<std::string> lines(static_cast<size_t>(size));
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      World world(std::make_unique<ThreadTransport>(mail, rank, size), silence_seconds);
      try {
        body(world);
      } catch (const std::exception& error) {
        lines[static_cast<size_t>(rank)] = world.fail(error.what()).value_or("");
      }
    });
  }
  threads.clear();
  return lines;
}

}  // namespace convoy
