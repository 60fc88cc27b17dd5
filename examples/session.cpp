// Runs a trained network on tensors: features and logits of a made-up image, from two sessions that share the weights.
#include <convoy/error.h>
#include <convoy/session.h>

#include <cstdint>
#include <cstdio>
#include <thread>
#include <vector>

int main(int argc, char** argv) try {
  if (argc != 2) {
    std::fprintf(stderr, "usage: session MODEL\n");
    return 2;
  }
  convoy::TrainedNetwork network(argv[1]);
  for (const std::string& name : network.weight_names()) {
    if (name.ends_with("bias")) std::printf("%s: %zu numbers\n", name.c_str(), network.weight(name).size());
  }
  const convoy::SessionOptions options{.threads = 1, .outputs = {"features", "logits"}};
  convoy::Session first(network, options), second(network, options);
  const std::vector<uint8_t> gray(64 * 48, 100);
  const convoy::Pixels image{.bytes = gray, .width = 64, .height = 48, .format = convoy::Pixels::Format::gray};
  network.prepare(image, first.images());
  network.prepare(image, second.images());
  std::thread other([&] { second.run(); });
  first.run();
  other.join();
  std::printf("%zu features, %zu logits, the first of which is %.4f and %.4f\n", first.output(0).size(),
              first.output(1).size(), first.output(1)[0], second.output(1)[0]);
  return first.output(1)[0] == second.output(1)[0] ? 0 : 1;
} catch (const convoy::Error& error) {
  std::fprintf(stderr, "session: %s\n", error.what());
  return 1;
}
