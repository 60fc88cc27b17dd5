// Messages by MPI: a library of its own, so that the program needs MPI only where it runs on several processes.
#include <mpi.h>

#include <chrono>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <thread>
#include <vector>

#include "core/transport.h"

namespace convoy {
namespace {

// A process that ends before its world has finished takes the others with it.
void abort_unless_finished() {
  int finished = 0;
  MPI_Finalized(&finished);
  if (finished != 0) return;
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // for mpirun to pass on what was printed
  MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
}

class MpiTransport : public Transport {
 public:
  MpiTransport() {
    int provided = MPI_THREAD_SINGLE;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided);
    if (provided < MPI_THREAD_SERIALIZED) throw std::runtime_error("this MPI was built without threads");
    std::atexit(abort_unless_finished);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  int send(int to, int tag, std::span<const std::byte> message) override {
    const int transfer = free_transfer();
    MPI_Isend(message.data(), count_of(message), MPI_BYTE, to, tag, MPI_COMM_WORLD, request(transfer));
    return transfer;
  }

  int receive(int from, int tag, std::span<std::byte> message) override {
    const int transfer = free_transfer();
    MPI_Irecv(message.data(), count_of(message), MPI_BYTE, from, tag, MPI_COMM_WORLD, request(transfer));
    return transfer;
  }

  bool done(int transfer) override {
    int is_done = 0;
    MPI_Test(request(transfer), &is_done, MPI_STATUS_IGNORE);
    if (is_done != 0) free_.push_back(transfer);
    return is_done != 0;
  }

  void finish() override { MPI_Finalize(); }

 private:
  static int count_of(std::span<const std::byte> message) {
    if (message.size() > std::numeric_limits<int>::max()) throw std::runtime_error("a message of 2 GiB is too long");
    return static_cast<int>(message.size());
  }

  MPI_Request* request(int transfer) { return &requests_[static_cast<size_t>(transfer)]; }

  int free_transfer() {
    if (free_.empty()) {
      requests_.push_back(MPI_REQUEST_NULL);
      return static_cast<int>(requests_.size()) - 1;
    }
    const int transfer = free_.back();
    free_.pop_back();
    return transfer;
  }

  int rank_ = 0, size_ = 1;
  std::vector<MPI_Request> requests_;  // by the number of the transfer
  std::vector<int> free_;
};

}  // namespace
}  // namespace convoy

// Joins the processes that were started together. The caller owns what comes back.
extern "C" convoy::Transport* convoy_mpi_transport() { return new convoy::MpiTransport; }
