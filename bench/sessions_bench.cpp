// Whether two sessions of one network, each with one thread, compute twice as much as one alone.
//
//     sessions_bench MODEL [SECONDS]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "convoy/session.h"

namespace {

// Runs a second that all sessions finish, each in a thread of its own.
double runs_per_second(std::vector<convoy::Session>& sessions, double budget) {
  using Clock = std::chrono::steady_clock;
  std::vector<int> runs(sessions.size());
  std::vector<std::thread> threads;
  const auto begin = Clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  for (size_t i = 0; i < sessions.size(); ++i) {
    threads.emplace_back([&, i] {
      while (seconds() < budget) {
        sessions[i].run();
        ++runs[i];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  int all = 0;
  for (const int count : runs) all += count;
  return all / seconds();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: sessions_bench MODEL [SECONDS]\n");
    return 2;
  }
  const double budget = argc > 2 ? std::atof(argv[2]) : 3;
  const convoy::TrainedNetwork network(argv[1]);
  std::vector<convoy::Session> one, two;
  one.emplace_back(network, convoy::SessionOptions{.threads = 1});
  for (int i = 0; i < 2; ++i) two.emplace_back(network, convoy::SessionOptions{.threads = 1});
  for (int round = 0; round < 5; ++round) {
    const double alone = runs_per_second(one, budget), together = runs_per_second(two, budget);
    std::printf("%s: one session %.2f images/s, two %.2f: %.2f times\n", network.architecture().c_str(), alone,
                together, together / alone);
  }
  return 0;
}
