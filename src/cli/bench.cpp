// `convoy bench MODEL`: how fast a network trains or infers here.
#include <algorithm>
#include <memory>

#include "cli/commands.h"
#include "cli/network.h"
#include "cli/output.h"
#include "cli/ranks.h"
#include "cli/training_step.h"
#include "convoy/error.h"
#include "core/cpu.h"
#include "core/join_world.h"
#include "core/parallel.h"
#include "train/benchmark.h"

namespace convoy::cli {
namespace {

struct Options {
  explicit Options(CLI::App& app) : network(app) {}

  NetworkFlags network;
  StepFlags step;
  BenchmarkOptions bench;
  CLI::Option* threads = nullptr;
  bool mpi = false;
  std::string reduce_dtype = "fp32";
  bool sync_batch_norm = false;
  bool json = false;
};

double time_lost(const BenchmarkResult::Layer& layer) { return layer.seconds - layer.bound_seconds; }

// Where most time is lost to the machine's limits first.
void print_layers(BenchmarkResult result) {
  std::ranges::stable_sort(result.layers, std::ranges::greater(), time_lost);
  double total = 0, bound = 0;
  for (const auto& layer : result.layers) total += layer.seconds, bound += layer.bound_seconds;
  print(
      "\nMeasured here: {:.0f} GFLOP/s, {:.1f} GB/s from and to memory; all layers: {:.2f} ms, {:.0f} % of the "
      "roofline\n",
      1e-9 * result.peak, 1e-9 * result.bandwidth, 1e3 * total, 100 * bound / total);
  print("{:>9} {:>6} {:>8} {:>6} {:>9}  {:<14} {:<14} {}\n", "ms", "share", "GFLOP/s", "GB/s", "roofline", "kernel",
        "output", "layer, op, kernels refused");
  for (const auto& layer : result.layers) {
    const double seconds = std::max(layer.seconds, 1e-9);
    const double rate = 2e-9 * static_cast<double>(layer.multiply_adds) / seconds;
    std::string text = layer.name.empty() ? layer.op : fmt::format("{}: {}", layer.name, layer.op);
    for (const std::string& refused : layer.refused) text.append("; not ").append(refused);
    print("{:9.3f} {:5.1f}% {:>8} {:6.1f} {:8.0f}%  {:<14} {:<14} {}\n", layer.seconds * 1e3,
          100 * layer.seconds / total, layer.multiply_adds > 0 ? fmt::format("{:.0f}", rate) : "",
          1e-9 * static_cast<double>(layer.bytes) / seconds, 100 * layer.bound_seconds / seconds, layer.kernel,
          layer.output, text);
  }
}

// int8 where a layer is quantised.
std::string_view precision_of(const Options& options, const Network& network) {
  const Graph graph = network.build();
  const std::vector<ValueId> parameters = graph.parameters();
  const bool quantized =
      std::ranges::any_of(parameters, [&](ValueId id) { return graph.value(id).type.dtype == DType::i8; });
  return quantized ? "int8" : to_string(settled(options.step.precision));
}

nlohmann::ordered_json to_json(const Options& options, const Network& network, const BenchmarkResult& result) {
  nlohmann::ordered_json json = {{"model", network.name},
                                 {"train", options.bench.train},
                                 {"batch_size", options.bench.step.batch_size},
                                 {"img_size", options.bench.step.image_size},
                                 {"precision", precision_of(options, network)},
                                 {"threads", thread_count()},
                                 {"isa", to_string(active_isa())},
                                 {"median_img_per_s", result.median_img_per_s},
                                 {"best_img_per_s", result.best_img_per_s},
                                 {"first_step_s", result.first_step_s},
                                 {"planned_bytes", result.planned_bytes},
                                 {"peak_rss_bytes", result.peak_rss_bytes},
                                 {"peak_share", result.peak_share}};
  if (options.bench.train) json["optimizer"] = options.bench.step.optimizer.name;
  if (result.ranks > 1) {
    json["ranks"] = result.ranks;
    json["wait_share"] = result.wait_share;
    json["sent_bytes_a_step"] = result.sent_bytes_a_step;
  }
  if (!options.bench.layers) return json;
  json["peak_flop_per_s"] = result.peak;
  json["bandwidth_bytes_per_s"] = result.bandwidth;
  json["layers"] = nlohmann::ordered_json::array();
  for (const auto& layer : result.layers) {
    json["layers"].push_back({{"name", layer.name},
                              {"op", layer.op},
                              {"kernel", layer.kernel},
                              {"refused", layer.refused},
                              {"output", layer.output},
                              {"seconds", layer.seconds},
                              {"bound_seconds", layer.bound_seconds},
                              {"multiply_adds", layer.multiply_adds},
                              {"bytes", layer.bytes}});
  }
  return json;
}

int run_alone_or_as_rank(Options& options, World* world) {
  check_step_flags(options.step);
  options.bench.train = options.step.train;
  options.bench.memory = options.step.memory;
  if (world != nullptr && !options.bench.train) {
    throw UsageError("train: expected it where several processes run together, which only training does, got none");
  }
  const Network network = options.network.resolve();
  StepOptions& step = options.bench.step;
  step = step_options(options.step, network);
  if (!options.bench.train) step.model_options.fused = true;  // as eval and predict infer
  step.sync_batch_norm = options.sync_batch_norm;
  if (world != nullptr) {
    step.world = world;
    step.share = 1.0 / world->size();
    world->send_bf16(options.reduce_dtype == "bf16");
    const int threads = threads_of_rank(*world);
    if (options.threads->count() == 0) set_thread_count(threads);
  }
  const BenchmarkResult result = run_benchmark(options.bench);
  if (world != nullptr && !world->is_first()) return 0;
  if (options.json) {
    print_json(to_json(options, network, result));
    return 0;
  }
  constexpr double kMebi = 1 << 20;
  const std::string what = options.bench.train ? fmt::format("training by {}", step.optimizer.name) : "inference";
  print("{} {}, batch {}, {}x{}, {}, {} threads, {}\n", network.name, what, step.batch_size, step.image_size,
        step.image_size, precision_of(options, network), thread_count(), to_string(active_isa()));
  print("  {:.2f} img/s median, {:.2f} best of {} steps; {:.0f} % of the peak measured here\n", result.median_img_per_s,
        result.best_img_per_s, options.bench.steps, 100 * result.peak_share);
  print("  first step after {:.2f} s; {:.0f} MiB planned, {:.0f} MiB at most in use\n", result.first_step_s,
        static_cast<double>(result.planned_bytes) / kMebi, static_cast<double>(result.peak_rss_bytes) / kMebi);
  if (result.ranks > 1) {
    print("  all {} ranks together; {:.1f} % of the time waiting for each other, {:.2f} MB sent by each in a step\n",
          result.ranks, 100 * result.wait_share, 1e-6 * result.sent_bytes_a_step);
  }
  if (options.bench.layers) print_layers(result);
  return 0;
}

int run(Options& options) {
  const std::unique_ptr<World> world = join_world(options.mpi);
  return run_on_rank(world.get(), "convoy bench", [&] { return run_alone_or_as_rank(options, world.get()); });
}

std::function<int()> declare(CLI::App& app) {
  auto options = std::make_shared<Options>(app);
  add_step_flags(app, options->step, "Time a whole training step [inference]");
  options->threads = add_threads(app);
  app.add_flag("--mpi", options->mpi, "Join the other processes by MPI, whether or not mpirun or srun can be noticed");
  app.add_option("--reduce-dtype", options->reduce_dtype, "As what gradients go from rank to rank of mpirun [fp32]")
      ->check(one_of("reduce-dtype", {"fp32", "bf16"}));
  app.add_flag("--sync-bn", options->sync_batch_norm,
               "Batch norms take the statistics of all ranks of mpirun together");
  app.add_option("-r,--steps", options->bench.steps, "Steps to time [10]")->check(CLI::Range(1, 1000000));
  app.add_flag("--layers", options->bench.layers,
               "Also time every layer, and hold it against what this machine's arithmetic and memory allow");
  app.add_flag("--json", options->json, "Print one JSON object");
  return [options] { return run(*options); };
}

}  // namespace

const Command kBench = {
    "bench", "Measure how fast a network trains or infers here",
    "  convoy bench resnet50 --train --batch-size 16\n"
    "  convoy bench conv2former_n --batch-size 64 --threads 2 --json\n"
    "  convoy bench mobilenet_v2 --train --batch-size 16 --layers\n"
    "  convoy bench conv2former_n --train --batch-size 128 --opt muon\n"
    "  mpirun -np 2 convoy bench resnet50 --train --batch-size 16\n"
    "--layers puts first where most time is lost to the roofline: what arithmetic or memory, as measured\n"
    "here, would take. Above 100 % are layers whose maps were in a cache, and Winograd's, which\n"
    "multiply less.",
    declare};

}  // namespace convoy::cli
