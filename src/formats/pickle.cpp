#include "formats/pickle.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <unordered_map>

#include "convoy/error.h"
#include "formats/pickle_globals.h"

namespace convoy {
namespace {

// A network of a thousand tensors with its optimizer's state takes some hundred thousand.
constexpr size_t kMostValues = 1'000'000;

// Opcodes, as Python's pickletools names them.
enum Opcode : uint8_t {
  kMark = '(',
  kStop = '.',
  kPop = '0',
  kPopMark = '1',
  kDup = '2',
  kBinFloat = 'G',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersId = 'Q',
  kReduce = 'R',
  kBinString = 'T',
  kShortBinString = 'U',
  kBinUnicode = 'X',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kSetItems = 'u',
  kEmptyTuple = ')',
  kEmptyList = ']',
  kEmptyDict = '}',
  kBinBytes = 'B',
  kShortBinBytes = 'C',
  kProto = 0x80,
  kNewObj = 0x81,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
  kShortBinUnicode = 0x8c,
  kBinUnicode8 = 0x8d,
  kBinBytes8 = 0x8e,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95,
};

}  // namespace

// The stack machine that a pickle is a program of.
class PickleMachine {
 public:
  PickleMachine(std::span<const std::byte> bytes, Pickle& pickle)
      : bytes_(bytes), pickle_(pickle), copies_left_(bytes.size()) {}

  void run() {
    for (;;) {
      const auto opcode = integer<uint8_t>();
      if (opcode == kStop) break;
      if (!push_plain(opcode) && !run_memo(opcode) && !run_container(opcode) && !run_object(opcode)) {
        throw Error(fmt::format("a pickle's byte {} is the opcode 0x{:02x}, which is not supported", at_ - 1, opcode));
      }
    }
    pickle_.root_ = pop();
    pickle_.size_ = at_;
  }

 private:
  std::span<const std::byte> take(uint64_t count) {
    if (count > bytes_.size() - at_) throw Error("a pickle ends in the middle of a value");
    const auto taken = bytes_.subspan(at_, static_cast<size_t>(count));
    at_ += taken.size();
    return taken;
  }

  template <class Integer>
  Integer integer() {
    Integer value;
    std::memcpy(&value, take(sizeof(value)).data(), sizeof(value));
    return value;
  }

  std::string_view text(uint64_t count) {
    const auto taken = take(count);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

  std::string_view line() {
    const auto rest = bytes_.subspan(at_);
    const auto end = std::ranges::find(rest, std::byte{'\n'});
    if (end == rest.end()) throw Error("a pickle ends in the middle of a name");
    const std::string_view found = text(static_cast<uint64_t>(end - rest.begin()));
    ++at_;
    return found;
  }

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

  PickleValue& value(PickleId id) { return pickle_.values_[static_cast<size_t>(id)]; }

  template <class Kind>
  Kind& expect(PickleId id, std::string_view what) {
    auto* found = std::get_if<Kind>(&value(id));
    if (found == nullptr) throw Error(fmt::format("a pickle uses something else as {}", what));
    return *found;
  }

  int64_t long_integer(size_t count) {
    const auto digits = take(count);
    if (count > sizeof(int64_t)) throw Error("a pickle holds an integer beyond 64 bits");
    if (count == 0) return 0;
    uint64_t number = std::to_integer<int8_t>(digits.back()) < 0 ? ~uint64_t{0} : 0;
    std::memcpy(&number, digits.data(), count);
    return static_cast<int64_t>(number);
  }

  bool push_plain(uint8_t opcode) {
    switch (opcode) {
      case kNone: push(std::monostate{}); return true;
      case kNewTrue: push(true); return true;
      case kNewFalse: push(false); return true;
      case kBinInt: push(int64_t{integer<int32_t>()}); return true;
      case kBinInt1: push(int64_t{integer<uint8_t>()}); return true;
      case kBinInt2: push(int64_t{integer<uint16_t>()}); return true;
      case kLong1: push(long_integer(integer<uint8_t>())); return true;
      case kBinFloat: push(std::bit_cast<double>(__builtin_bswap64(integer<uint64_t>()))); return true;
      case kShortBinString:
      case kShortBinUnicode: push(text(integer<uint8_t>())); return true;
      case kBinString:
      case kBinUnicode: push(text(integer<uint32_t>())); return true;
      case kBinUnicode8: push(text(integer<uint64_t>())); return true;
      case kShortBinBytes: push(PickleBytes{take(integer<uint8_t>())}); return true;
      case kBinBytes: push(PickleBytes{take(integer<uint32_t>())}); return true;
      case kBinBytes8: push(PickleBytes{take(integer<uint64_t>())}); return true;
      default: return false;
    }
  }

  void remember(uint32_t slot) {
    if (memo_.size() >= kMostValues) throw Error(fmt::format("a pickle keeps more than {} values", kMostValues));
    memo_[slot] = top();
  }

  void recall(uint32_t slot) {
    const auto found = memo_.find(slot);
    if (found == memo_.end()) throw Error(fmt::format("a pickle recalls value {}, which it never kept", slot));
    push_id(found->second);
  }

  bool run_memo(uint8_t opcode) {
    switch (opcode) {
      case kProto:
        if (const auto protocol = integer<uint8_t>(); protocol > 4) {
          throw Error(fmt::format("a pickle is of protocol {}, expected 2, 3 or 4", protocol));
        }
        return true;
      case kFrame: take(sizeof(uint64_t)); return true;
      case kBinPut: remember(integer<uint8_t>()); return true;
      case kLongBinPut: remember(integer<uint32_t>()); return true;
      case kMemoize: remember(static_cast<uint32_t>(memo_.size())); return true;
      case kBinGet: recall(integer<uint8_t>()); return true;
      case kLongBinGet: recall(integer<uint32_t>()); return true;
      default: return false;
    }
  }

  bool run_container(uint8_t opcode) {
    switch (opcode) {
      case kMark:
        if (marks_.size() >= kMostValues) throw Error("a pickle's stack grows too high");
        marks_.push_back(stack_.size());
        return true;
      case kPop: pop(); return true;
      case kPopMark: pop_to_mark(); return true;
      case kDup: push_id(top()); return true;
      case kEmptyList: push(PickleList{}); return true;
      case kEmptyDict: push(PickleDict{}); return true;
      case kEmptyTuple: push_tuple(0); return true;
      case kTuple1: push_tuple(1); return true;
      case kTuple2: push_tuple(2); return true;
      case kTuple3: push_tuple(3); return true;
      case kTuple: push(PickleList{pop_to_mark()}); return true;
      case kAppend: append({pop()}); return true;
      case kAppends: append(pop_to_mark()); return true;
      case kSetItems: set_items(pop_to_mark()); return true;
      case kSetItem: {
        const PickleId item = pop(), key = pop();
        set_items({key, item});
        return true;
      }
      default: return false;
    }
  }

  void append(const std::vector<PickleId>& items) {
    auto& list = expect<PickleList>(top(), "a list").items;
    list.insert(list.end(), items.begin(), items.end());
  }

  void set_items(const std::vector<PickleId>& items) {
    auto& dict = expect<PickleDict>(top(), "a dictionary").items;
    if (items.size() % 2 != 0) throw Error("a pickle sets a key without a value");
    for (size_t i = 0; i < items.size(); i += 2) dict.emplace_back(items[i], items[i + 1]);
  }

  void push_global(std::string_view module, std::string_view name) { push(&find_pickle_global(module, name)); }

  bool run_object(uint8_t opcode) {
    switch (opcode) {
      case kGlobal: {
        const std::string_view module = line();
        push_global(module, line());
        return true;
      }
      case kStackGlobal: {
        const std::string_view name = expect<std::string_view>(pop(), "a name");
        push_global(expect<std::string_view>(pop(), "a module's name"), name);
        return true;
      }
      case kNewObj:
      case kReduce: {
        const PickleId arguments = pop();
        call(*expect<const PickleGlobal*>(pop(), "a function"), arguments);
        return true;
      }
      case kBinPersId: push(torch_storage(pickle_, expect<PickleList>(pop(), "a storage's description"))); return true;
      case kBuild: {
        const PickleId state = pop();
        build(top(), state);
        return true;
      }
      default: return false;
    }
  }

  void call(const PickleGlobal& function, PickleId arguments_id) {
    const PickleList& arguments = expect<PickleList>(arguments_id, "arguments");
    switch (function.meaning) {
      case PickleGlobal::Meaning::dictionary: push(dictionary_of(arguments)); return;
      case PickleGlobal::Meaning::sequence:
      case PickleGlobal::Meaning::torch_parameter:
        if (arguments.items.empty()) throw Error(fmt::format("a pickle calls {} without arguments", function.name));
        push_id(arguments.items[0]);
        return;
      case PickleGlobal::Meaning::latin1_bytes: push(PickleBytes{latin1_bytes(arguments)}); return;
      case PickleGlobal::Meaning::torch_tensor: push(torch_tensor(pickle_, arguments)); return;
      case PickleGlobal::Meaning::array_shell: push(PickleArrayShell{}); return;
      case PickleGlobal::Meaning::array_scalar: push(array_scalar(pickle_, arguments)); return;
      case PickleGlobal::Meaning::array_type: push(array_type(pickle_, arguments)); return;
      case PickleGlobal::Meaning::storage:
      case PickleGlobal::Meaning::array_class: break;
    }
    throw Error(fmt::format("a pickle calls {}.{}", function.module, function.name));
  }

  void count_copies(size_t count) {
    if (count > copies_left_) throw Error("a pickle copies the same value again and again");
    copies_left_ -= count;
  }

  // Of nothing, or of a list of pairs, as protocol 2 writes ordered dictionaries.
  PickleDict dictionary_of(const PickleList& arguments) {
    PickleDict dict;
    if (arguments.items.empty()) return dict;
    const auto& pairs = expect<PickleList>(arguments.items[0], "a dictionary's items").items;
    count_copies(pairs.size());
    for (const PickleId pair : pairs) {
      const auto& items = expect<PickleList>(pair, "a dictionary's item").items;
      if (items.size() != 2) throw Error("a pickle sets a key without a value");
      dict.items.emplace_back(items[0], items[1]);
    }
    return dict;
  }

  // The bytes of a text whose characters are all below 256, in UTF-8.
  std::span<const std::byte> latin1_bytes(const PickleList& arguments) {
    if (arguments.items.size() != 2 || expect<std::string_view>(arguments.items[1], "an encoding") != "latin1") {
      throw Error("a pickle encodes text other than as latin1");
    }
    const std::string_view characters = expect<std::string_view>(arguments.items[0], "a text");
    count_copies(characters.size());
    std::vector<std::byte>& decoded = pickle_.decoded_.emplace_back();
    decoded.reserve(characters.size());
    for (size_t i = 0; i < characters.size(); ++i) {
      const auto lead = static_cast<uint8_t>(characters[i]);
      if (lead < 0x80) {
        decoded.push_back(std::byte{lead});
        continue;
      }
      const auto next = i + 1 < characters.size() ? static_cast<uint8_t>(characters[++i]) : uint8_t{0};
      if ((lead & 0xFC) != 0xC0 || (next & 0xC0) != 0x80) throw Error("a pickle's text holds characters beyond latin1");
      decoded.push_back(static_cast<std::byte>((lead & 0x03) << 6 | (next & 0x3F)));
    }
    return decoded;
  }

  // Sets the state of the value that was made last. Attributes of dictionaries, as torch's _metadata, are left out.
  void build(PickleId id, PickleId state) {
    if (std::holds_alternative<PickleArrayShell>(value(id))) {
      value(id) = array_of_state(pickle_, expect<PickleList>(state, "an array's state"));
    } else if (std::holds_alternative<StoredType>(value(id))) {
      check_array_type_state(pickle_, expect<PickleList>(state, "a type's state"));
    } else if (!std::holds_alternative<PickleDict>(value(id))) {
      throw Error("a pickle sets the state of something that has none");
    }
  }

  std::span<const std::byte> bytes_;
  size_t at_ = 0;
  Pickle& pickle_;
  size_t copies_left_;  // bytes or items that may still be made of values that are kept
  std::vector<PickleId> stack_;
  std::vector<size_t> marks_;  // heights of the stack
  std::unordered_map<uint32_t, PickleId> memo_;
};

Pickle::Pickle(std::span<const std::byte> bytes) { PickleMachine(bytes, *this).run(); }

PickleId Pickle::find(const PickleDict& dict, std::string_view key) const {
  for (const auto& [name, item] : dict.items) {
    const auto* text = get<std::string_view>(name);
    if (text != nullptr && *text == key) return item;
  }
  return -1;
}

}  // namespace convoy
