// Messages between the processes of a run.
#pragma once

#include <cstddef>
#include <span>

namespace convoy {

// What carries messages between ranks. Called by one thread at a time.
class Transport {
 public:
  Transport() = default;
  virtual ~Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Begin to move a message, whose bytes must stay until it is done. Messages of one tag from a rank to another arrive
  // in the order in which they were sent; both ends know how long they are.
  virtual int send(int to, int tag, std::span<const std::byte> message) = 0;
  virtual int receive(int from, int tag, std::span<std::byte> message) = 0;
  // Whether the transfer, by the number that send or receive gave it, is done, which frees the number.
  virtual bool done(int transfer) = 0;
  // All ranks have nothing more to say.
  virtual void finish() = 0;
};

}  // namespace convoy
