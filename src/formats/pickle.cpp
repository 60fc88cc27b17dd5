#include "formats/pickle.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <unordered_map>

#include "convoy/error.h"
#include "formats/pickle_calls.h"
#include "formats/pickle_globals.h"
#include "formats/pickle_opcodes.h"
#include "formats/pickle_stream.h"
#include "formats/pickle_text.h"

namespace convoy {
namespace {

// A network of a thousand tensors with its optimizer's state takes some hundred thousand.
constexpr size_t kMostValues = 1'000'000;

}  // namespace

// The stack machine that a pickle is a program of.
class PickleMachine {
 public:
  PickleMachine(std::span<const std::byte> bytes, Pickle& pickle)
      : stream_(bytes), pickle_(pickle), calls_(pickle, bytes.size()) {}

  void run() {
    for (;;) {
      const auto opcode = stream_.integer<uint8_t>();
      if (opcode == kStop) break;
      if (!push_number(opcode) && !push_text(opcode) && !run_memo(opcode) && !run_stack(opcode) &&
          !run_container(opcode) && !run_object(opcode)) {
        throw Error(fmt::format("a pickle's byte {} is the opcode 0x{:02x}, which Python does not have",
                                stream_.position() - 1, opcode));
      }
    }
    pickle_.root_ = pop();
    pickle_.size_ = stream_.position();
  }

 private:
  void push_id(PickleId id) {
    if (stack_.size() >= kMostValues) throw Error("a pickle's stack grows too high");
    stack_.push_back(id);
  }

  void push(PickleValue value) {
    if (pickle_.values_.size() >= kMostValues) {
      throw Error(fmt::format("a pickle holds more than {} values", kMostValues));
    }
    pickle_.values_.push_back(std::move(value));
    push_id(static_cast<PickleId>(pickle_.values_.size() - 1));
  }

  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  PickleId top() const {
    if (stack_.size() <= floor()) throw Error("a pickle takes a value from an empty stack");
    return stack_.back();
  }

  PickleId pop() {
    const PickleId id = top();
    stack_.pop_back();
    return id;
  }

  // The values above the last mark, which goes with them.
  std::vector<PickleId> pop_to_mark() {
    if (marks_.empty()) throw Error("a pickle lacks a mark");
    const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PickleId> items(first, stack_.end());
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return items;
  }

  void push_tuple(size_t count) {
    if (stack_.size() < floor() + count) throw Error("a pickle takes a value from an empty stack");
    const auto first = stack_.end() - static_cast<std::ptrdiff_t>(count);
    PickleList list{{first, stack_.end()}};
    stack_.erase(first, stack_.end());
    push(std::move(list));
  }

  void push_integer(std::optional<int64_t> integer) {
    if (integer) {
      push(*integer);
    } else {
      push(PickleObject{.module = "builtins", .name = "int", .items = {}, .problem = {}});
    }
  }

  bool push_number(uint8_t opcode) {
    switch (opcode) {
      case kNone: push(std::monostate{}); return true;
      case kNewTrue: push(true); return true;
      case kNewFalse: push(false); return true;
      case kInt: {
        const std::string_view line = stream_.line();
        if (line == "00" || line == "01") {
          push(line == "01");
        } else {
          push_integer(decimal_integer(line));
        }
        return true;
      }
      case kLong: push_integer(decimal_integer(stream_.line())); return true;
      case kBinInt: push(int64_t{stream_.integer<int32_t>()}); return true;
      case kBinInt1: push(int64_t{stream_.integer<uint8_t>()}); return true;
      case kBinInt2: push(int64_t{stream_.integer<uint16_t>()}); return true;
      case kLong1: push_integer(binary_integer(stream_.take(stream_.integer<uint8_t>()))); return true;
      case kLong4: push_integer(binary_integer(stream_.take(stream_.integer<uint32_t>()))); return true;
      case kFloat: push(decimal_number(stream_.line())); return true;
      case kBinFloat: push(std::bit_cast<double>(__builtin_bswap64(stream_.integer<uint64_t>()))); return true;
      default: return false;
    }
  }

  void push_decoded(std::string text) { push(std::string_view(pickle_.decoded_.emplace_back(std::move(text)))); }

  bool push_text(uint8_t opcode) {
    switch (opcode) {
      case kString: push_decoded(unquoted(stream_.line())); return true;
      case kUnicode: push_decoded(unescaped(stream_.line())); return true;
      case kShortBinString:
      case kShortBinUnicode: push(stream_.text(stream_.integer<uint8_t>())); return true;
      case kBinString:
      case kBinUnicode: push(stream_.text(stream_.integer<uint32_t>())); return true;
      case kBinUnicode8: push(stream_.text(stream_.integer<uint64_t>())); return true;
      case kShortBinBytes: push(PickleBytes{stream_.take(stream_.integer<uint8_t>())}); return true;
      case kBinBytes: push(PickleBytes{stream_.take(stream_.integer<uint32_t>())}); return true;
      case kBinBytes8:
      case kByteArray8: push(PickleBytes{stream_.take(stream_.integer<uint64_t>())}); return true;
      case kNextBuffer:
      case kReadOnlyBuffer:
        throw Error(
            "keeps buffers outside of its pickle (protocol 5), which are not in the file; save it without "
            "buffer_callback");
      default: return false;
    }
  }

  void remember(uint64_t slot) {
    if (memo_.size() >= kMostValues) throw Error(fmt::format("a pickle keeps more than {} values", kMostValues));
    memo_[slot] = top();
  }

  void recall(uint64_t slot) {
    const auto found = memo_.find(slot);
    if (found == memo_.end()) throw Error(fmt::format("a pickle recalls value {}, which it never kept", slot));
    push_id(found->second);
  }

  uint64_t slot_of_line() {
    const std::optional<int64_t> slot = decimal_integer(stream_.line());
    if (!slot || *slot < 0) throw Error("a pickle keeps a value under no number");
    return static_cast<uint64_t>(*slot);
  }

  bool run_memo(uint8_t opcode) {
    switch (opcode) {
      case kProto:
        if (const auto protocol = stream_.integer<uint8_t>(); protocol > 5) {
          throw Error(fmt::format("a pickle is of protocol {}, expected 0 to 5", protocol));
        }
        return true;
      case kFrame: stream_.take(sizeof(uint64_t)); return true;
      case kPut: remember(slot_of_line()); return true;
      case kBinPut: remember(stream_.integer<uint8_t>()); return true;
      case kLongBinPut: remember(stream_.integer<uint32_t>()); return true;
      case kMemoize: remember(memo_.size()); return true;
      case kGet: recall(slot_of_line()); return true;
      case kBinGet: recall(stream_.integer<uint8_t>()); return true;
      case kLongBinGet: recall(stream_.integer<uint32_t>()); return true;
      default: return false;
    }
  }

  bool run_stack(uint8_t opcode) {
    switch (opcode) {
      case kMark:
        if (marks_.size() >= kMostValues) throw Error("a pickle's stack grows too high");
        marks_.push_back(stack_.size());
        return true;
      case kPop:  // of a mark, too, where nothing stands above it
        if (!marks_.empty() && stack_.size() == marks_.back()) {
          marks_.pop_back();
        } else {
          pop();
        }
        return true;
      case kPopMark: pop_to_mark(); return true;
      case kDup: push_id(top()); return true;
      default: return false;
    }
  }

  bool run_container(uint8_t opcode) {
    switch (opcode) {
      case kEmptyList:
      case kEmptySet: push(PickleList{}); return true;
      case kEmptyDict: push(PickleDict{}); return true;
      case kEmptyTuple: push_tuple(0); return true;
      case kTuple1: push_tuple(1); return true;
      case kTuple2: push_tuple(2); return true;
      case kTuple3: push_tuple(3); return true;
      case kTuple:
      case kList:
      case kFrozenSet: push(PickleList{pop_to_mark()}); return true;
      case kDict: {
        const std::vector<PickleId> items = pop_to_mark();
        push(PickleDict{});
        set_items(items);
        return true;
      }
      case kAppend: append({pop()}); return true;
      case kAppends:
      case kAddItems: append(pop_to_mark()); return true;
      case kSetItems: set_items(pop_to_mark()); return true;
      case kSetItem: {
        const PickleId item = pop(), key = pop();
        set_items({key, item});
        return true;
      }
      default: return false;
    }
  }

  PickleValue& value(PickleId id) { return pickle_.values_[static_cast<size_t>(id)]; }

  // What is appended to an opaque object is left out.
  void append(const std::vector<PickleId>& items) {
    PickleValue& to = value(top());
    if (auto* list = std::get_if<PickleList>(&to)) {
      list->items.insert(list->items.end(), items.begin(), items.end());
    } else if (!std::holds_alternative<PickleObject>(to)) {
      throw Error("a pickle uses something else as a list");
    }
  }

  void set_items(const std::vector<PickleId>& items) {
    PickleValue& to = value(top());
    auto* dict = std::get_if<PickleDict>(&to);
    if (auto* object = std::get_if<PickleObject>(&to)) dict = &object->items;
    if (dict == nullptr) throw Error("a pickle uses something else as a dictionary");
    if (items.size() % 2 != 0) throw Error("a pickle sets a key without a value");
    for (size_t i = 0; i < items.size(); i += 2) dict->items.emplace_back(items[i], items[i + 1]);
  }

  void push_result(PickleCalls::Result result) {
    if (const auto* known = std::get_if<PickleId>(&result)) {
      push_id(*known);
    } else {
      push(std::move(std::get<PickleValue>(result)));
    }
  }

  void push_global(std::string_view module, std::string_view name) { push(calls_.global(module, name)); }

  std::string_view name_on_stack() {
    const std::optional<std::string_view> name = pickle_.text(pop());
    if (!name) throw Error("a pickle uses something else as a name");
    return *name;
  }

  // Calls the function below the arguments that stand above the last mark.
  void call_marked(std::vector<PickleId> items) {
    if (items.empty()) throw Error("a pickle makes an object without a class");
    const PickleId function = items.front();
    items.erase(items.begin());
    push(PickleList{std::move(items)});
    push_result(calls_.call(function, pop()));
  }

  bool run_object(uint8_t opcode) {
    switch (opcode) {
      case kGlobal: {
        const std::string_view module = stream_.line();
        push_global(module, stream_.line());
        return true;
      }
      case kStackGlobal: {
        const std::string_view name = name_on_stack();
        push_global(name_on_stack(), name);
        return true;
      }
      case kExt1:
        stream_.take(1);
        push_global("copyreg", "extension");
        return true;
      case kExt2:
        stream_.take(2);
        push_global("copyreg", "extension");
        return true;
      case kExt4:
        stream_.take(4);
        push_global("copyreg", "extension");
        return true;
      case kInst: {
        const std::string_view module = stream_.line();
        std::vector<PickleId> items = pop_to_mark();
        push_global(module, stream_.line());
        items.insert(items.begin(), pop());
        call_marked(std::move(items));
        return true;
      }
      case kObj: call_marked(pop_to_mark()); return true;
      case kNewObjEx: pop(); [[fallthrough]];  // the named arguments
      case kNewObj:
      case kReduce: {
        const PickleId arguments = pop();
        push_result(calls_.call(pop(), arguments));
        return true;
      }
      case kPersId:
        stream_.line();
        push_global("", "persistent object");
        return true;
      case kBinPersId: push_result(calls_.persistent(pop())); return true;
      case kBuild: {
        const PickleId state = pop();
        calls_.set_state(top(), state);
        return true;
      }
      default: return false;
    }
  }

  PickleStream stream_;
  Pickle& pickle_;
  PickleCalls calls_;
  std::vector<PickleId> stack_;
  std::vector<size_t> marks_;  // heights of the stack
  std::unordered_map<uint64_t, PickleId> memo_;
};

Pickle::Pickle(std::span<const std::byte> bytes) { PickleMachine(bytes, *this).run(); }
Pickle::~Pickle() = default;

std::optional<std::string_view> Pickle::text(PickleId id) const {
  if (const auto* text = get<std::string_view>(id)) return *text;
  const auto* raw = get<PickleBytes>(id);
  if (raw == nullptr) return std::nullopt;
  return std::string_view(reinterpret_cast<const char*>(raw->bytes.data()), raw->bytes.size());
}

PickleId Pickle::find(const PickleDict& dict, std::string_view key) const {
  const auto found =
      std::find_if(dict.items.rbegin(), dict.items.rend(), [&](const auto& item) { return text(item.first) == key; });
  return found == dict.items.rend() ? -1 : found->second;
}

}  // namespace convoy
