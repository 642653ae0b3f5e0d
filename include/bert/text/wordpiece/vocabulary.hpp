// The pieces of a WordPiece vocabulary and their ids; reads and writes vocab.txt.
// Layer: text. Test: tests/unit/text/wordpiece/vocabulary_test.cpp
#ifndef BERT_TEXT_WORDPIECE_VOCABULARY_HPP
#define BERT_TEXT_WORDPIECE_VOCABULARY_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/io/atomic_file.hpp"
#include "bert/tensor/token_batch.hpp"
#include "bert/text/unicode/utf8.hpp"

namespace bert::inline BERT_ISA::text {

namespace detail {

/// 64-bit hash of a string: multiply and xor-shift over its 8-byte words.
inline std::uint64_t hash_of(std::string_view s) noexcept {
  std::uint64_t h = 0x9E3779B97F4A7C15u ^ s.size();
  for (std::size_t i = 0; i < s.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, s.data() + i, std::min<std::size_t>(8, s.size() - i));
    h = (h ^ word) * 0xD6E8FEB86659FD93u;
    h ^= h >> 32;
  }
  h *= 0xD6E8FEB86659FD93u;
  return h ^ h >> 32;
}

struct file_closer {
  void operator()(std::FILE* f) const noexcept { std::fclose(f); }
};
using file_handle = std::unique_ptr<std::FILE, file_closer>;

}  // namespace detail

/// Pieces with ids from 0; a piece that begins with "##" continues a word. Immutable.
///
/// id() of a piece that occurs twice is the last one, as in a Python dict; piece() of both ids gives the piece.
class vocabulary {
 public:
  vocabulary() = default;

  /// Throws bert::error naming the piece if it is not valid UTF-8.
  explicit vocabulary(std::span<const std::string> pieces) {
    std::size_t bytes = 0;
    for (const auto& piece : pieces) bytes += piece.size();
    characters_.reserve(bytes);
    starts_.reserve(pieces.size() + 1);
    for (const auto& piece : pieces) add(piece, "bert::text::vocabulary");
    index();
  }
  explicit vocabulary(const std::vector<std::string>& pieces) : vocabulary(std::span<const std::string>(pieces)) {}

  /// Reads a vocab.txt: one piece per line; its id is the line's number from 0.
  static vocabulary open(const std::filesystem::path& path) {
    const detail::file_handle file(open_binary(path));
    if (!file)
      throw_error({path_text(path), "a vocabulary that can be read", "no such file, or no right to read it",
                   "give the path of a vocab.txt"});
    std::string text;
    constexpr std::size_t longest = std::size_t{1} << 28;  // 100 times the largest; /dev/zero has no end
    char block[1 << 16];
    for (std::size_t n; (n = std::fread(block, 1, sizeof block, file.get())) != 0 && text.size() <= longest;)
      text.append(block, n);
    if (text.size() > longest) throw_error({path_text(path), cat("a vocabulary of at most ", longest, " bytes"), "more", {}});
    if (std::ferror(file.get())) throw_error({path_text(path), "a vocabulary that can be read", "a read error", {}});
    return parse(text, path_text(path));
  }

  /// The same from memory; `where` names it in errors. Lines end with LF, CR LF or CR, as in Python. Skips a byte order mark.
  static vocabulary parse(std::string_view text, const std::string& where = "vocabulary") {
    vocabulary v;
    v.where_ = where;
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    v.characters_.reserve(text.size());
    while (!text.empty()) {
      const std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
      v.add(text.substr(0, end), where);
      const bool both = end + 1 < text.size() && text[end] == '\r' && text[end + 1] == '\n';
      text.remove_prefix(std::min(text.size(), end + (both ? 2 : 1)));
    }
    if (v.size() == 0) throw_error({where, "one piece a line", "an empty vocabulary", "give a vocab.txt"});
    v.index();
    return v;
  }

  [[nodiscard]] std::size_t size() const noexcept { return starts_.size() - 1; }

  [[nodiscard]] std::optional<token_id> id(std::string_view piece) const noexcept {
    if (slots_.empty()) return std::nullopt;
    for (std::size_t i = detail::hash_of(piece) & mask_;; i = (i + 1) & mask_) {
      if (slots_[i] < 0) return std::nullopt;
      if (at(static_cast<std::size_t>(slots_[i])) == piece) return slots_[i];
    }
  }

  /// Throws bert::error if `id` is not in [0, size()). The view is valid as long as the vocabulary.
  [[nodiscard]] std::string_view piece(token_id id) const {
    if (id < 0 || static_cast<std::size_t>(id) >= size())
      throw_error({"bert::text::vocabulary::piece", cat("an id in [0, ", size(), ")"), cat(id),
                   "use the vocabulary that the ids came from"});
    return at(static_cast<std::size_t>(id));
  }

  /// Length of piece(id). Pre: `id` is in [0, size()).
  [[nodiscard]] std::size_t bytes(token_id id) const noexcept {
    const auto i = static_cast<std::size_t>(id);
    return starts_[i + 1] - starts_[i];
  }

  /// The file it was read from, or "vocabulary".
  [[nodiscard]] const std::string& where() const noexcept { return where_; }

  /// The id of a required token such as [MASK]. Throws bert::error naming file and token, and what the file looks like if it is
  /// no vocabulary.
  [[nodiscard]] token_id require(std::string_view token) const {
    if (const auto found = id(token)) return *found;
    const auto [found, hint] = diagnosis();
    throw_error({where_, cat("the token ", token), found, hint});
  }
  /// The same pieces with another where() for errors.
  [[nodiscard]] vocabulary named(std::string where) && {
    where_ = std::move(where);
    return std::move(*this);
  }

  /// Writes a vocab.txt atomically. Throws bert::error if the file cannot be written or a piece has a line break; the old file
  /// is then unchanged.
  void save(const std::filesystem::path& path) const {
    for (std::size_t i = 0; i < size(); ++i)
      if (at(i).find_first_of("\r\n") != std::string_view::npos)
        throw_error({path_text(path), "pieces without line breaks", cat("one in piece ", i), "vocab.txt cannot hold it"});
    io::atomic_file file(path);
    for (std::size_t i = 0; i < size(); ++i) {
      file.write(at(i));
      file.write("\n");
    }
    file.commit();
  }

  friend bool operator==(const vocabulary& a, const vocabulary& b) noexcept {
    return a.starts_ == b.starts_ && a.characters_ == b.characters_;
  }

 private:
  [[nodiscard]] std::string_view at(std::size_t i) const noexcept {
    return std::string_view(characters_).substr(starts_[i], starts_[i + 1] - starts_[i]);
  }

  // {found, hint} for a missing special token; the first line shows whether the file is of another kind.
  [[nodiscard]] std::pair<std::string, std::string> diagnosis() const {
    const std::string_view first = size() == 0 ? std::string_view{} : at(0);
    const std::string pieces = cat(size(), size() == 1 ? " piece without it" : " pieces without it");
    const char* const one_piece = "one piece a line is expected";
    if (first.starts_with("version https://git-lfs"))
      return {"a Git LFS pointer in place of the file", "fetch the file itself, as by git lfs pull"};
    if (first.starts_with("<!DOCTYPE") || first.starts_with("<html")) return {"an HTML page", "fetch the file itself"};
    if (first.starts_with("{\"") || (first == "{" && size() > 1 && at(1).find('"') != std::string_view::npos))
      return {pieces + "; line 1 begins as JSON", cat(one_piece, "; is it a tokenizer.json?")};
    if (const auto tab = first.find('\t'); tab != std::string_view::npos)
      return {cat(pieces, "; line 1 has a tab behind \"", first.substr(0, std::min<std::size_t>(tab, 32)), '"'),
              cat(one_piece, ", without numbers")};
    return {cat(pieces, "; line 1 is \"", first.substr(0, 32), '"'), "is it the vocabulary of a BERT?"};
  }

  void add(std::string_view piece, const std::string& where) {
    if (const auto bad = utf8::first_invalid(piece); bad != std::string_view::npos)
      throw_error({cat(where, ":", size() + 1), "valid UTF-8", cat("an invalid byte at column ", bad + 1),
                   "save the vocabulary as UTF-8"});
    if (characters_.size() + piece.size() > 0x7FFFFFFF)
      throw_error({cat(where, ":", size() + 1), "at most 2 GB of pieces", "more", "is this a vocabulary?"});
    characters_ += piece;
    starts_.push_back(static_cast<std::uint32_t>(characters_.size()));
  }

  void index() {
    std::size_t capacity = 16;
    while (capacity < 2 * size()) capacity *= 2;
    mask_ = capacity - 1;
    slots_.assign(capacity, -1);
    for (std::size_t i = 0; i < size(); ++i) {
      const std::string_view p = at(i);
      std::size_t slot = detail::hash_of(p) & mask_;
      while (slots_[slot] >= 0 && at(static_cast<std::size_t>(slots_[slot])) != p) slot = (slot + 1) & mask_;
      slots_[slot] = static_cast<token_id>(i);
    }
  }

  std::string where_ = "vocabulary";
  std::string characters_;
  std::vector<std::uint32_t> starts_{0};
  std::vector<token_id> slots_;
  std::size_t mask_ = 0;
};

}  // namespace bert::text

#endif  // BERT_TEXT_WORDPIECE_VOCABULARY_HPP
