// `convoy import FILE`: a model file from a checkpoint of PyTorch, Paddle or safetensors, or from an ONNX model.
#include "convoy/import.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <exception>
#include <fstream>
#include <memory>
#include <set>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/recipe_flags.h"
#include "cli/trained.h"
#include "convoy/error.h"
#include "formats/checkpoint.h"
#include "formats/strict_json.h"
#include "train/run_folder.h"

namespace convoy::cli {
namespace {

constexpr std::string_view kFields[] = {"model",  "img-size", "width", "asymmetry-rate", "act",
                                        "bn-eps", "padding",  "acnet", "seed",           "Preprocessing"};

struct Options {
  std::string file;
  std::unique_ptr<RecipeFlags> recipe;
  std::optional<int64_t> num_classes;
  std::string class_names;
  std::string output;
  std::string key;
  std::string strip;
  std::vector<std::string> rename;
  std::string source_layout;
  bool allow_missing = false;
  bool allow_unexpected = false;
  bool by_order = false;
  bool show_mapping = false;
  bool list = false;
  bool json = false;
};

std::vector<std::string> read_class_names(const std::string& file) {
  std::vector<std::string> names;
  std::set<std::string> known;
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (names.empty() && line.starts_with(kByteOrderMark)) line.erase(0, kByteOrderMark.size());
    if (!line.empty() && line.back() == '\r') line.pop_back();
    const auto fail = [&](std::string_view what) {
      throw Error(fmt::format("{}:{}: expected the name of a class, got {}", file, names.size() + 1, what));
    };
    if (line.find_first_not_of(" \t") == std::string::npos) fail("an empty line");
    if (!known.insert(line).second) fail(quote_name(line) + " once more");
    names.push_back(line);
  }
  if (!stream.eof()) throw FileError(fmt::format("{}: cannot be read", file));
  if (names.empty()) throw Error(fmt::format("{}: expected the name of a class on each line, got an empty file", file));
  return names;
}

template <class Range>
std::string joined(const Range& range, std::string_view separator) {
  return fmt::format("{}", fmt::join(range, separator));
}

void print_list(const Options& options) {
  const Checkpoint checkpoint(options.file, options.key);
  if (options.json) {
    nlohmann::ordered_json tensors = nlohmann::ordered_json::array();
    for (const Checkpoint::Tensor& tensor : checkpoint.tensors()) {
      tensors.push_back({{"name", tensor.name}, {"type", to_string(tensor.type)}, {"shape", tensor.shape}});
    }
    print_json({{"file", options.file},
                {"format", to_string(checkpoint.format())},
                {"key", checkpoint.key()},
                {"other_keys", checkpoint.other_keys()},
                {"tensors", tensors}});
    return;
  }
  for (const Checkpoint::Tensor& tensor : checkpoint.tensors()) {
    print("{}  {}  {}\n", quote_name(tensor.name), to_string(tensor.type), joined(tensor.shape, "x"));
  }
}

nlohmann::ordered_json to_json(const Options& options, const ImportReport& report, const std::string& error) {
  nlohmann::ordered_json json = {{"file", options.file},
                                 {"format", report.format},
                                 {"key", report.key},
                                 {"other_keys", report.other_keys},
                                 {"prefix", report.prefix},
                                 {"names", report.names},
                                 {"options", report.options},
                                 {"matched_by", report.by_order ? "order" : "name"},
                                 {"missing", report.missing},
                                 {"unexpected", report.unexpected},
                                 {"unread", report.unread},
                                 {"model", report.model},
                                 {"preprocessing", report.preprocessing},
                                 {"new_head", report.new_head},
                                 {"integers", report.integers},
                                 {"num_classes", report.num_classes},
                                 {"file_classes", report.file_classes}};
  json["wrong_shape"] = nlohmann::ordered_json::array();
  for (const MisshapenTensor& tensor : report.misshapen) {
    json["wrong_shape"].push_back(
        {{"name", tensor.name}, {"source", tensor.source}, {"expected", tensor.expected}, {"got", tensor.got}});
  }
  json["imported"] = nlohmann::ordered_json::array();
  for (const ImportedTensor& tensor : report.imported) {
    json["imported"].push_back({{"name", tensor.name}, {"source", tensor.source}, {"transposed", tensor.transposed}});
  }
  if (error.empty()) {
    json["output"] = options.output;
  } else {
    json["error"] = error;
  }
  return json;
}

// "missing (12): a, b, c" with each name on a line of its own, some left out unless all are asked for.
void print_names(std::string_view what, const std::vector<std::string>& names, bool all) {
  if (names.empty()) return;
  constexpr size_t kMost = 8;
  const size_t shown = all || names.size() <= kMost ? names.size() : kMost;
  print("{} ({})\n", what, names.size());
  for (size_t i = 0; i < shown; ++i) print("  {}\n", names[i]);
  if (shown < names.size()) print("  ... and {} more (--show-mapping shows all)\n", names.size() - shown);
}

std::vector<std::string> quoted(std::vector<std::string> names) {
  std::ranges::transform(names, names.begin(), [](const std::string& name) { return quote_name(name); });
  return names;
}

void print_report(const Options& options, const ImportReport& report) {
  print("{}: {}{}{}\n", options.file, report.format,
        report.key.empty() ? "" : fmt::format(", the weights under {}", quote_name(report.key)),
        report.prefix.empty() ? "" : fmt::format(", names without {}", quote_name(report.prefix)));
  if (!report.other_keys.empty()) {
    print("passed over: {} (--key chooses another)\n", joined(quoted(report.other_keys), ", "));
  }
  if (report.whole_network) {
    print("{} tensors; the network is the file's\n", report.imported.size());
    if (options.show_mapping) {
      for (const ImportedTensor& tensor : report.imported)
        print("  {} <- {}\n", tensor.name, quote_name(tensor.source));
    }
    return;
  }
  const size_t total =
      report.imported.size() + report.missing.size() + report.misshapen.size() + report.new_head.size();
  print(
      "{} of {} tensors matched by {}{}\n", report.imported.size(), total,
      report.by_order        ? "order and shape"
      : report.names.empty() ? "name"
                             : "the names of " + report.names,
      report.integers > 0 ? fmt::format("; {} integers, such as counters of batches, left out", report.integers) : "");
  if (!report.options.empty()) print("the network computes as theirs: {}\n", report.options);
  if (report.by_order) {
    print_text(
        "what shapes cannot show is as in the recipe: epsilon (--bn-eps), padding (--padding) and activations "
        "(--act)\n");
  }
  std::vector<std::string> mapping;
  for (const ImportedTensor& tensor : report.imported) {
    mapping.push_back(
        fmt::format("{} <- {}{}", tensor.name, quote_name(tensor.source), tensor.transposed ? ", transposed" : ""));
  }
  if (report.by_order || options.show_mapping) print_names("mapping", mapping, options.show_mapping);
  if (!report.new_head.empty()) {
    print("new head: {} start anew for {} classes (the file has {})\n", joined(report.new_head, ", "),
          report.num_classes, report.file_classes);
  }
  if (!report.order_problem.empty()) print("no match by order and shape: {}\n", report.order_problem);
  if (report.imported.empty() && !options.show_mapping) return;
  print_names("missing", report.missing, options.show_mapping);
  print_names("unexpected", quoted(report.unexpected), options.show_mapping);
  std::vector<std::string> shapes;
  for (const MisshapenTensor& tensor : report.misshapen) {
    shapes.push_back(
        fmt::format("{}: expected {}, got {}", tensor.name, joined(tensor.expected, "x"), joined(tensor.got, "x")));
  }
  print_names("of the wrong shape", shapes, options.show_mapping);
  print_names("not read", report.unread, options.show_mapping);
}

// "conv=net.conv" in two; OLD may not be empty.
std::vector<std::pair<std::string, std::string>> renamings(const std::vector<std::string>& texts) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& text : texts) {
    const size_t sign = text.find('=');
    if (sign == std::string::npos || sign == 0) {
      throw UsageError(fmt::format("--rename: expected OLD=NEW, got '{}'", text));
    }
    pairs.emplace_back(text.substr(0, sign), text.substr(sign + 1));
  }
  return pairs;
}

int run(Options& options) {
  if (!model_in(options.file).empty()) options.file = named_model_file(options.file).string();
  if (options.list) {
    print_list(options);
    return 0;
  }
  ImportOptions wanted{.recipe = options.recipe->resolve(),
                       .num_classes = options.num_classes,
                       .class_names = {},
                       .key = options.key,
                       .strip = options.strip,
                       .rename = renamings(options.rename),
                       .allow_missing = options.allow_missing,
                       .allow_unexpected = options.allow_unexpected,
                       .by_order = options.by_order};
  if (options.output.empty()) throw UsageError("--output: expected the model file to write");
  if (!options.source_layout.empty()) {
    wanted.source_layout = options.source_layout == "torch" ? SourceLayout::torch : SourceLayout::paddle;
  }
  if (!options.class_names.empty()) wanted.class_names = read_class_names(options.class_names);
  ImportReport report;
  std::exception_ptr fault;
  std::string error;
  try {
    import_model(options.file, wanted, options.output, &report);
  } catch (const Error& caught) {
    if (report.format.empty()) throw;
    error = caught.what();
    fault = std::current_exception();
  }
  if (options.json) {
    print_json(to_json(options, report, error));
  } else {
    print_report(options, report);
  }
  if (fault) std::rethrow_exception(fault);
  if (options.json) return 0;
  print("images: {}{}\n", report.preprocessing,
        report.told_preprocessing ? "; as the file says" : "; the network's defaults");
  print("wrote {}: {}, {} classes{}\n", options.output, report.model, report.num_classes,
        report.told_class_names ? ", named as in the file" : "");
  return 0;
}

std::function<int()> declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option(
         "FILE", options->file,
         "A checkpoint: .pth, .pt, .pdparams, .safetensors, an index of several, the folder of one, or a run folder; "
         "or an ONNX model, .onnx")
      ->required()
      ->type_name("FILE");
  app.add_option("-o,--output", options->output, "The model file to write")->type_name("FILE");
  app.add_option("--num-classes", options->num_classes,
                 "Classes [as the file]; another number gives the network a new head")
      ->check(CLI::Range(1, 1000000))
      ->type_name("N");
  app.add_option("--class-names", options->class_names, "A file with the name of a class on each line [0, 1, ...]")
      ->type_name("FILE");
  app.add_option("--key", options->key, "The dictionary in the file that holds the weights [the usual ones]")
      ->type_name("KEY");
  app.add_option("--strip", options->strip, "Take PREFIX off the names in the file that begin with it")
      ->type_name("PREFIX");
  app.add_option("--rename", options->rename,
                 "Replace OLD by NEW wherever it stands in a name of the file, after --strip; may be repeated")
      ->type_name("OLD=NEW")
      ->allow_extra_args(false);
  app.add_option("--source-layout", options->source_layout,
                 "How matrices lie in the file: torch {out, in} or paddle {in, out} [as format and shapes tell]")
      ->check(CLI::IsMember({"torch", "paddle"}))
      ->type_name("LAYOUT");
  app.add_flag("--allow-missing", options->allow_missing, "Start tensors at random that the file lacks");
  app.add_flag("--allow-unexpected", options->allow_unexpected, "Leave out tensors that the network lacks");
  app.add_flag("--by-order", options->by_order,
               "Match tensors by order and shape where the names are none that are known");
  app.add_flag("--show-mapping", options->show_mapping, "Show which tensor of the file became which of the network");
  app.add_flag("--list", options->list, "Only show the tensors of the file");
  app.add_flag("--json", options->json, "Print one JSON object");
  options->recipe = std::make_unique<RecipeFlags>(app, kFields);
  return [options] { return run(*options); };
}

}  // namespace

const Command kImport = {
    "import",
    "Make a model file of a PyTorch, Paddle or safetensors checkpoint, or of an ONNX model",
    "  convoy import resnet18-f37072fd.pth --model resnet18 --output resnet18.safetensors\n"
    "  convoy import best_model.pdparams --model conv2former_n --show-mapping -o conv2former.safetensors\n"
    "  convoy import efficientnet_b0.onnx --class-names classes.txt -o efficientnet_b0.safetensors\n"
    "  convoy import resnet50.pth --model resnet50 --num-classes 16 -o start.safetensors\n"
    "  convoy import optimizer.pdopt --list",
    declare,
};

}  // namespace convoy::cli
