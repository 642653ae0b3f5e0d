// Reads the values of a Python pickle. It imports nothing and calls nothing: a call stays a value, with its callable's name.
// Layer: io. Test: tests/unit/io/pickle_test.cpp, tests/fuzz/pickle_fuzz.cpp
// Format: CPython's Lib/pickletools.py
#ifndef BERT_IO_PICKLE_HPP
#define BERT_IO_PICKLE_HPP

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/io/byte_reader.hpp"

namespace bert::inline BERT_ISA::io {

/// A value of a pickle. Texts are spans of the pickle's bytes; values name each other by their numbers in `pickle`.
struct pickle_value {
  enum class kind : std::uint8_t {
    none,
    boolean,     ///< number: 0 or 1
    integer,     ///< number
    long_bytes,  ///< text: the bytes of an integer beyond 64 bits, two's complement, the least first
    real,        ///< number: the bits of a double
    text,
    global,      ///< text: module, second: name
    tuple,       ///< items
    list,        ///< items
    dict,        ///< items: key, value, key, value, …
    call,        ///< items: callable, tuple of arguments; then what was set in it, key, value, …
    persistent,  ///< items: the id that the file's writer gave to an object outside the pickle
  };
  kind is = kind::none;
  std::int64_t number = 0;
  std::string_view text = {}, second = {};
  std::vector<std::uint32_t> items = {};
};

/// The values that one pickle makes, up to its STOP. Protocols 2 to 4, with the instructions that torch.save writes.
///
/// Throws bert::error naming the byte for: any other instruction; globals that `allowed` refuses, by name; an empty stack; a
/// memo that was never put; more than 2 million instructions. So the memory is bounded, and no value is visited recursively.
class pickle {
 public:
  using filter = bool (*)(std::string_view module, std::string_view name);
  static constexpr std::size_t most_instructions = std::size_t{1} << 21;

  /// `in` starts at the pickle and ends behind it; its bytes must outlive the object.
  pickle(byte_reader& in, const std::string& where, filter allowed) : in_(&in), where_(where), allowed_(allowed) { run(); }

  [[nodiscard]] const pickle_value& root() const noexcept { return values_[root_]; }
  [[nodiscard]] const pickle_value& operator[](std::uint32_t i) const noexcept { return values_[i]; }

 private:
  using kind = pickle_value::kind;

  [[noreturn]] void fail(std::string expected, std::string found, const char* hint = "the file is damaged or hostile") const {
    throw_error({cat(where_, ", byte ", in_->at()), std::move(expected), std::move(found), hint});
  }

  void push(pickle_value value) {
    stack_.push_back(static_cast<std::uint32_t>(values_.size()));
    values_.push_back(std::move(value));
  }
  std::uint32_t pop() {
    if (stack_.empty()) fail("a value on the stack", "none");
    const auto top = stack_.back();
    stack_.pop_back();
    return top;
  }
  std::uint32_t top() const {
    if (stack_.empty()) fail("a value on the stack", "none");
    return stack_.back();
  }
  /// Takes the last `n` values off the stack, in their order.
  std::vector<std::uint32_t> take(std::size_t n) {
    if (n > stack_.size()) fail(cat(n, " values on the stack"), cat(stack_.size()));
    const auto from = stack_.end() - static_cast<std::ptrdiff_t>(n);
    std::vector<std::uint32_t> items(from, stack_.end());
    stack_.erase(from, stack_.end());
    return items;
  }
  std::vector<std::uint32_t> take_to_mark() {
    if (marks_.empty() || marks_.back() > stack_.size()) fail("a mark on the stack", "none");
    const std::size_t mark = marks_.back();
    marks_.pop_back();
    return take(stack_.size() - mark);
  }
  void put(std::uint32_t key) { memo_[key] = top(); }
  void get(std::uint32_t key) {
    const auto at = memo_.find(key);
    if (at == memo_.end()) fail("a memo that was put", cat("number ", key));
    stack_.push_back(at->second);
  }
  void text(std::uint64_t length) { push({.is = kind::text, .text = as_text(in_->take(length))}); }
  void integer(std::int64_t n) { push({.is = kind::integer, .number = n}); }
  void global(std::string_view module, std::string_view name) {
    if (!allowed_(module, name))
      fail("only what a state_dict holds", cat("\"", module, '.', name, '"'),
           "save the model's state_dict() alone, by a torch.save that you trust");
    push({.is = kind::global, .text = module, .second = name});
  }
  void extend(const std::vector<std::uint32_t>& items, bool pairs) {
    pickle_value& to = values_[top()];
    const bool fits = pairs ? to.is == kind::dict || to.is == kind::call : to.is == kind::list;
    if (!fits || (pairs && items.size() % 2 != 0))
      fail(pairs ? "keys and values for a dictionary" : "items for a list", "others");
    to.items.insert(to.items.end(), items.begin(), items.end());
  }
  void long_integer(std::span<const std::byte> bytes) {
    if (bytes.size() > 8) return push({.is = kind::long_bytes, .text = as_text(bytes)});
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) value |= static_cast<std::uint64_t>(bytes[i]) << (8 * i);
    if (!bytes.empty() && bytes.size() < 8 && (bytes.back() & std::byte{0x80}) != std::byte{0})
      value |= ~std::uint64_t{0} << (8 * bytes.size());
    integer(static_cast<std::int64_t>(value));
  }

  void run() {
    for (std::size_t n = 0;; ++n) {
      if (n == most_instructions) fail(cat("at most ", most_instructions, " instructions"), "more");
      const std::uint8_t code = in_->byte();
      if (code == '.') break;
      step(code);
    }
    root_ = pop();
  }

  void step(std::uint8_t code) {
    switch (code) {
      case 0x80:  // PROTO
        if (const auto protocol = in_->byte(); protocol < 2 || protocol > 5)
          fail("a pickle of protocol 2 to 5", cat(+protocol));
        break;
      case 0x95: in_->take(8); break;  // FRAME: the length of what follows
      case '(': marks_.push_back(stack_.size()); break;
      case 't': push({.is = kind::tuple, .items = take_to_mark()}); break;
      case 0x85:
      case 0x86:
      case 0x87: push({.is = kind::tuple, .items = take(code - std::size_t{0x84})}); break;
      case ')': push({.is = kind::tuple}); break;
      case ']': push({.is = kind::list}); break;
      case '}': push({.is = kind::dict}); break;
      case 'X':
      case 'T': text(in_->little<std::uint32_t>()); break;
      case 'U':
      case 0x8c: text(in_->byte()); break;
      case 'J': integer(in_->little<std::int32_t>()); break;
      case 'K': integer(in_->byte()); break;
      case 'M': integer(in_->little<std::uint16_t>()); break;
      case 0x8a: long_integer(in_->take(in_->byte())); break;
      case 'G': {  // BINFLOAT: the only number whose greatest byte comes first
        std::uint64_t bits = 0;
        for (const std::byte b : in_->take(8)) bits = bits << 8 | static_cast<std::uint64_t>(b);
        push({.is = kind::real, .number = static_cast<std::int64_t>(bits)});
        break;
      }
      case 'N': push({}); break;
      case 0x88:
      case 0x89: push({.is = kind::boolean, .number = code == 0x88}); break;
      case 'q': put(in_->byte()); break;
      case 'r': put(in_->little<std::uint32_t>()); break;
      case 0x94: put(static_cast<std::uint32_t>(memo_.size())); break;
      case 'h': get(in_->byte()); break;
      case 'j': get(in_->little<std::uint32_t>()); break;
      case 'c': {
        const auto module = in_->line(), name = in_->line();
        global(module, name);
        break;
      }
      case 0x93: {
        const auto name = pop(), module = pop();
        if (values_[name].is != kind::text || values_[module].is != kind::text) fail("a global's names", "others");
        global(values_[module].text, values_[name].text);
        break;
      }
      case 'R': {
        auto items = take(2);
        if (values_[items[0]].is != kind::global || values_[items[1]].is != kind::tuple)
          fail("a callable and a tuple", "others");
        push({.is = kind::call, .items = std::move(items)});
        break;
      }
      case 'b':  // BUILD: an object's attributes, such as the _metadata of a state_dict
        pop();
        static_cast<void>(top());
        break;
      case 's': extend(take(2), true); break;
      case 'u': extend(take_to_mark(), true); break;
      case 'a': extend(take(1), false); break;
      case 'e': extend(take_to_mark(), false); break;
      case 'Q': push({.is = kind::persistent, .items = take(1)}); break;
      default: fail("an instruction of a state_dict", cat("instruction ", +code));
    }
  }

  byte_reader* in_;
  const std::string& where_;
  filter allowed_;
  std::vector<pickle_value> values_;
  std::vector<std::uint32_t> stack_;
  std::vector<std::size_t> marks_;
  std::map<std::uint32_t, std::uint32_t> memo_;
  std::uint32_t root_ = 0;
};

}  // namespace bert::io

#endif  // BERT_IO_PICKLE_HPP
