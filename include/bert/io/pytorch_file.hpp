// Reads what torch.save wrote of a state_dict: the ZIP form since PyTorch 1.6 and the chain of pickles before it.
// Layer: io. Test: tests/unit/io/pytorch_file_test.cpp, tests/fuzz/zip_checkpoint_fuzz.cpp
// Format: torch/serialization.py, torch/_utils.py
#ifndef BERT_IO_PYTORCH_FILE_HPP
#define BERT_IO_PYTORCH_FILE_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/io/byte_reader.hpp"
#include "bert/io/mapped_file.hpp"
#include "bert/io/pickle.hpp"
#include "bert/io/stored_tensor.hpp"
#include "bert/io/zip_file.hpp"

namespace bert::inline BERT_ISA::io {

namespace detail {

/// The element type of a class torch.….Storage; none for types without a name here.
[[nodiscard]] inline std::optional<dtype> storage_type(std::string_view name) noexcept {
  constexpr std::array<std::pair<std::string_view, dtype>, 10> known{{{"FloatStorage", dtype::f32},
                                                                      {"HalfStorage", dtype::f16},
                                                                      {"BFloat16Storage", dtype::bf16},
                                                                      {"DoubleStorage", dtype::f64},
                                                                      {"LongStorage", dtype::i64},
                                                                      {"IntStorage", dtype::i32},
                                                                      {"ShortStorage", dtype::i16},
                                                                      {"CharStorage", dtype::i8},
                                                                      {"ByteStorage", dtype::u8},
                                                                      {"BoolStorage", dtype::boolean}}};
  for (const auto& [text, type] : known)
    if (text == name) return type;
  return std::nullopt;
}

/// The globals of a state_dict.
[[nodiscard]] inline bool state_dict_global(std::string_view module, std::string_view name) noexcept {
  if (module == "collections") return name == "OrderedDict";
  if (module == "torch._utils")
    return name == "_rebuild_tensor_v2" || name == "_rebuild_tensor" || name == "_rebuild_parameter";
  return module == "torch" && storage_type(name).has_value();
}

/// The tensors of a pickled state_dict, as parts of storages whose bytes the caller finds.
class state_dict {
 public:
  struct storage {
    dtype type;
    std::uint64_t size;  ///< in elements
    std::span<const std::byte> bytes = {};
  };

  state_dict(byte_reader& in, const std::string& where) : where_(where), values_(in, where, state_dict_global) { read_root(); }

  /// By their keys.
  std::map<std::string_view, storage> storages;

  /// The tensors, once every storage has its bytes.
  [[nodiscard]] std::vector<stored_tensor> tensors() const {
    std::vector<stored_tensor> out;
    out.reserve(parts_.size());
    for (const part& p : parts_) out.push_back(resolve(p));
    return out;
  }

 private:
  using kind = pickle_value::kind;
  struct part {
    std::string_view name;
    const storage* of;
    std::uint64_t offset;
    std::vector<std::size_t> shape, strides;
  };
  static constexpr std::size_t most_dimensions = 64;

  [[noreturn]] void fail(std::string_view name, std::string expected, std::string found, const char* hint = damaged) const {
    throw_error({name.empty() ? where_ : cat(where_, ", tensor \"", name, '"'), std::move(expected), std::move(found), hint});
  }
  [[nodiscard]] const pickle_value& item(const pickle_value& of, std::size_t i) const noexcept { return values_[of.items[i]]; }
  /// Whether a value is a call of torch._utils.<name> with so many arguments or more.
  [[nodiscard]] bool calls(const pickle_value& v, std::string_view name, std::size_t arguments) const noexcept {
    return v.is == kind::call && item(v, 0).second == name && item(v, 1).items.size() >= arguments;
  }

  void read_root() {
    const pickle_value& root = values_.root();
    const bool ordered = calls(root, "OrderedDict", 0);
    if (root.is != kind::dict && !ordered)
      fail({}, "a dictionary of tensors, a model's state_dict()", "another object", save_it);
    std::vector<std::uint32_t> pairs(root.items.begin() + (ordered ? 2 : 0), root.items.end());
    if (ordered && !item(root, 1).items.empty())  // as Python 2 wrote it: called with a list of lists of a key and a value
      for (const auto i : item(item(root, 1), 0).items)
        if (values_[i].items.size() == 2) pairs.insert(pairs.end(), values_[i].items.begin(), values_[i].items.end());
    std::set<std::string_view> names;
    for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
      const pickle_value* value = &values_[pairs[i + 1]];
      if (calls(*value, "_rebuild_parameter", 1)) value = &item(item(*value, 1), 0);
      const bool older = calls(*value, "_rebuild_tensor", 4);
      if (!older && !calls(*value, "_rebuild_tensor_v2", 4)) continue;  // a number or a text beside the tensors
      const pickle_value& key = values_[pairs[i]];
      if (key.is != kind::text) fail({}, "names of tensors", "another key", save_it);
      if (!names.insert(key.text).second) fail(key.text, "every name once", "it twice", "the file is damaged or hostile");
      parts_.push_back(read_tensor(key.text, item(*value, 1)));
    }
    if (parts_.empty()) fail({}, "a dictionary of tensors, a model's state_dict()", "one without a tensor", save_it);
  }

  [[nodiscard]] std::uint64_t number(std::string_view name, const pickle_value& v, const char* what) const {
    if (v.is != kind::integer || v.number < 0) fail(name, cat(what, " from 0 on"), "another value");
    return static_cast<std::uint64_t>(v.number);
  }
  [[nodiscard]] std::vector<std::size_t> numbers(std::string_view name, const pickle_value& v, const char* what) const {
    if (v.is != kind::tuple || v.items.size() > most_dimensions)
      fail(name, cat("a tuple of ", what, " of at most ", most_dimensions), "another value");
    std::vector<std::size_t> out;
    for (std::size_t i = 0; i < v.items.size(); ++i) out.push_back(static_cast<std::size_t>(number(name, item(v, i), what)));
    return out;
  }

  part read_tensor(std::string_view name, const pickle_value& arguments) {
    part p{name, &read_storage(name, item(arguments, 0)), number(name, item(arguments, 1), "an offset"),
           numbers(name, item(arguments, 2), "sizes"), numbers(name, item(arguments, 3), "strides")};
    if (p.shape.size() != p.strides.size()) fail(name, cat(p.shape.size(), " strides"), cat(p.strides.size()));
    return p;
  }

  const storage& read_storage(std::string_view name, const pickle_value& v) {
    if (v.is != kind::persistent) fail(name, "a storage", "another object");
    const pickle_value& id = item(v, 0);
    if (id.is != kind::tuple || id.items.size() < 5 || item(id, 0).text != "storage" || item(id, 1).is != kind::global ||
        item(id, 2).is != kind::text)
      fail(name, "a storage's type, key, location and size", "something else");
    const auto type = storage_type(item(id, 1).second);
    if (!type) fail(name, "a storage of torch", std::string(item(id, 1).second));
    if (id.items.size() > 5 && item(id, 5).is != kind::none)
      fail(name, "a storage of its own", "a view of another one", "load and save it by a PyTorch of today");
    const storage s{*type, number(name, item(id, 4), "a size")};
    const auto [at, added] = storages.emplace(item(id, 2).text, s);
    if (!added && (at->second.type != s.type || at->second.size != s.size))
      fail(name, cat("storage \"", at->first, "\" of one type and size"), "two");
    return at->second;
  }

  /// Checks that every element lies within its storage.
  [[nodiscard]] stored_tensor resolve(const part& p) const {
    std::uint64_t count = 1, last = p.offset;  // the number of elements, the index of the last one
    bool overflow = false;
    for (std::size_t d = 0; d < p.shape.size(); ++d) overflow |= !multiply(count, p.shape[d], count);
    const bool none = std::find(p.shape.begin(), p.shape.end(), 0u) != p.shape.end();
    if (none) return {std::string(p.name), p.of->type, p.shape, {}};
    for (std::size_t d = 0; d < p.shape.size(); ++d) {
      std::uint64_t span = 0;
      overflow |= !multiply(p.shape[d] - 1, p.strides[d], span);
      overflow |= last + span < last;
      last += span;
    }
    if (overflow || last >= p.of->size)
      fail(p.name, cat("elements within the ", p.of->size, " of its storage"),
           cat(shape_text(p.shape), " from ", p.offset, " by strides ", shape_text(p.strides)));
    if (count > p.of->size)
      fail(p.name, cat("at most the ", p.of->size, " elements of its storage"), cat(count, ", some of them several times"),
           "save it as x.contiguous()");
    const std::size_t width = bytes_of(p.of->type);
    stored_tensor t{
        std::string(p.name), p.of->type, p.shape,
        p.of->bytes.subspan(static_cast<std::size_t>(p.offset) * width, static_cast<std::size_t>(last + 1 - p.offset) * width)};
    std::uint64_t step = 1;
    bool row_major = true;
    for (std::size_t d = p.shape.size(); d-- > 0; step *= p.shape[d]) row_major &= p.shape[d] == 1 || p.strides[d] == step;
    if (!row_major) t.strides = p.strides;
    return t;
  }

  static constexpr const char* save_it = "save model.state_dict(), or the model by save_pretrained()";

  const std::string& where_;
  pickle values_;
  std::vector<part> parts_;
};

}  // namespace detail

/// The tensors of pytorch_model.bin, in the order of its state_dict. Their bytes lie in the mapped file, which is read when
/// they are first touched: tensors that share a storage share bytes, views of another order have strides.
///
/// Throws bert::error naming file and tensor for: an object that is no state_dict; globals beyond those of a state_dict, by
/// name; storages that the file lacks or that are of another length; offsets, sizes and strides beyond the storage; expanded
/// tensors; big-endian files; compressed archives; TorchScript.
class pytorch_file {
 public:
  explicit pytorch_file(const std::filesystem::path& path) : pytorch_file(mapped_file(path)) {}
  explicit pytorch_file(mapped_file file) : file_(std::move(file)), where_(path_text(file_->path())) {
    parse(file_->bytes());
    for (stored_tensor& t : tensors_) t.mapped = true;
  }
  /// Reads bytes in memory, which must outlive the object; `where` names them in errors.
  pytorch_file(std::span<const std::byte> bytes, std::string where) : where_(std::move(where)) { parse(bytes); }

  [[nodiscard]] std::span<const stored_tensor> tensors() const noexcept { return tensors_; }
  /// The file, as errors name it.
  [[nodiscard]] const std::string& where() const noexcept { return where_; }

 private:
  [[noreturn]] void fail(std::string expected, std::string found, const char* hint = detail::damaged) const {
    throw_error({where_, std::move(expected), std::move(found), hint});
  }

  void parse(std::span<const std::byte> bytes) {
    const std::string_view text = as_text(bytes);
    if (zip_file::is_one(bytes)) return parse_zip(bytes);
    if (text.starts_with("\x80")) return parse_chain(bytes);
    const char* found = "something else";
    const char* hint = detail::damaged;
    if (text.starts_with("version https://git-lfs")) found = "a Git LFS pointer", hint = "fetch the file itself: git lfs pull";
    else if (text.size() > 262 && text.substr(257, 5) == "ustar")
      found = "a tar archive, as PyTorch before 0.1.10 wrote", hint = "load and save it by a PyTorch of today";
    fail("a file of torch.save", found, hint);
  }

  void parse_zip(std::span<const std::byte> bytes) {
    const zip_file archive(bytes, where_);
    constexpr std::string_view wanted = "/data.pkl";
    const zip_file::entry* index = nullptr;
    for (const auto& e : archive.entries())
      if (e.name.ends_with(wanted) && std::count(e.name.begin(), e.name.end(), '/') == 1) {
        if (index != nullptr) fail("one data.pkl", "two");
        index = &e;
      }
    if (index == nullptr) fail("an archive of torch.save with its data.pkl", "none of that name");
    const std::string folder(index->name.substr(0, index->name.size() - wanted.size()));
    if (archive.find(folder + "/constants.pkl") != nullptr)
      fail("a state_dict", "a TorchScript program", "save model.state_dict(), or the model by save_pretrained()");
    if (const auto* order = archive.find(folder + "/byteorder"); order != nullptr && as_text(order->bytes) != "little")
      fail("little-endian numbers", std::string(as_text(order->bytes)), "save it on a little-endian machine");
    const std::string where = where_ + ", data.pkl";
    byte_reader in(index->bytes, where);
    detail::state_dict tensors(in, where);
    for (auto& [key, storage] : tensors.storages) {
      const std::string name = cat(folder, "/data/", key);
      const auto* record = archive.find(name);
      if (record == nullptr) fail(cat("a record \"", name, '"'), "none of that name");
      give(storage, key, record->bytes);
    }
    tensors_ = tensors.tensors();
  }

  /// Magic number, protocol, facts of the machine, state_dict, keys of the storages: five pickles. Then each storage's size and
  /// elements.
  void parse_chain(std::span<const std::byte> bytes) {
    using kind = pickle_value::kind;
    byte_reader in(bytes, where_);
    const auto nothing = [](std::string_view, std::string_view) { return false; };
    constexpr std::string_view magic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    const pickle first(in, where_, nothing);
    if (first.root().is != kind::long_bytes || first.root().text != magic)
      fail("a file of torch.save", "another pickle", "save model.state_dict(), or the model by save_pretrained()");
    if (const pickle version(in, where_, nothing); version.root().is != kind::integer || version.root().number != 1001)
      fail("protocol 1001", "another", "load and save it by a PyTorch of today");
    const pickle machine(in, where_, nothing);
    for (std::size_t i = 0; i + 1 < machine.root().items.size(); i += 2)
      if (machine.root().is == kind::dict && machine[machine.root().items[i]].text == "little_endian" &&
          machine[machine.root().items[i + 1]].number == 0)
        fail("little-endian numbers", "big-endian ones", "save it on a little-endian machine");
    detail::state_dict tensors(in, where_);
    const pickle keys(in, where_, nothing);
    if (keys.root().is != kind::list) fail("a list of storages", "another object");
    std::set<std::string_view> given;
    for (const auto i : keys.root().items) {
      const std::string_view key = keys[i].text;
      const auto at = tensors.storages.find(key);
      if (keys[i].is != kind::text || at == tensors.storages.end() || !given.insert(key).second)
        fail("storages of its tensors, each once", cat("\"", key, '"'));
      auto& storage = at->second;
      if (const auto size = in.little<std::uint64_t>(); size != storage.size)
        fail(cat(storage.size, " elements of storage \"", key, '"'), cat(size));
      if (storage.size > in.left()) give(storage, key, in.take(in.left()));
      give(storage, key, in.take(storage.size * bytes_of(storage.type)));
    }
    for (const auto& [key, storage] : tensors.storages)
      if (!given.contains(key)) fail(cat("storage \"", key, '"'), "none of that name");
    tensors_ = tensors.tensors();
  }

  void give(detail::state_dict::storage& storage, std::string_view key, std::span<const std::byte> bytes) const {
    const std::size_t width = bytes_of(storage.type);
    if (bytes.size() % width != 0 || bytes.size() / width != storage.size)
      fail(cat(storage.size, ' ', name_of(storage.type), " elements in storage \"", key, '"'), cat(bytes.size(), " bytes"));
    storage.bytes = bytes;
  }

  std::optional<mapped_file> file_;
  std::string where_;
  std::vector<stored_tensor> tensors_;
};

}  // namespace bert::io

#endif  // BERT_IO_PYTORCH_FILE_HPP
