// A corpus as token ids in mapped temporary files: documents of sentences of tokens.
// Layer: data. Test: tests/unit/data/token_store_test.cpp
#ifndef BERT_DATA_TOKEN_STORE_HPP
#define BERT_DATA_TOKEN_STORE_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/execution.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/data/corpus.hpp"
#include "bert/data/scratch_array.hpp"
#include "bert/data/tokenizing.hpp"
#include "bert/tensor/training_batch.hpp"
#include "bert/text/sentences.hpp"

namespace bert::inline BERT_ISA::data {

struct token_store_options {
  std::size_t longest_sentence = 512;  ///< tokens; a longer sentence is split between words
  std::filesystem::path scratch{};     ///< folder of the temporary files; empty: the system's (TMPDIR)
};

/// Documents, each a run of sentences; sentences, each a run of tokens; numbered from 0 in the order of the file.
///
/// On disk: 2 bytes a token (4 if the vocabulary has more than 32,768 pieces), whose highest bit says that the token continues
/// its word; 8 a sentence; 4 a document. In memory: only mapped pages.
class token_store {
 public:
  /// Reads `text` in rounds of 4 * `exec.width()` blocks of 256 KiB. Blocks are tokenized in parallel and written in order, so
  /// the result does not depend on `exec`. Throws bert::error if there is no token at all.
  template <tokenizing Tokenizer, executor Exec>
  token_store(const corpus& text, const Tokenizer& tokenizer, const token_store_options& options, const Exec& exec)
      : wide_(static_cast<std::size_t>(tokenizer.vocabulary().size()) > std::size_t{1} << 15),
        narrow_ids_(folder(options)),
        wide_ids_(folder(options)),
        sentences_(folder(options)),
        documents_(folder(options)) {
    if constexpr (requires { tokenizer.unk_id(); }) unknown_id_ = tokenizer.unk_id();
    std::vector<block> blocks(4 * exec.width());
    std::size_t used = 0;
    const auto run = [&] {
      exec.parallel_for(used, [&](std::size_t i) noexcept { blocks[i].encode(tokenizer, options.longest_sentence); });
      for (std::size_t i = 0; i < used; ++i) write(blocks[i]);
      used = 0;
    };
    text.for_each_line([&](std::string_view line) {
      if (used == 0 || blocks[used - 1].text.size() >= block_bytes) {
        if (used == blocks.size()) run();
        blocks[used++].clear();
      }
      content_.add(line);
      block& b = blocks[used - 1];
      if (!blank(line)) b.text += line;
      b.ends.push_back(b.text.size());
      if (text.documents() == document_end::every_line) b.ends.push_back(b.text.size());
    });
    run();
    if (tokens() == 0)
      throw_error({path_text(text.path()), "text, one paragraph a line", "no word that the tokenizer knows how to split",
                   "check the file"});
    if (open_) documents_.append(first_open_);
    documents_.append(checked(sentences_.size()));
    sentences_.append(tokens());
    for_each_array([](auto& array) { array.seal(); });
  }

  [[nodiscard]] std::uint64_t tokens() const noexcept { return wide_ ? wide_ids_.size() : narrow_ids_.size(); }
  [[nodiscard]] std::uint32_t sentences() const noexcept { return static_cast<std::uint32_t>(sentences_.size() - 1); }
  [[nodiscard]] std::uint32_t documents() const noexcept { return static_cast<std::uint32_t>(documents_.size() - 1); }
  /// First sentence of a document; for `documents()`, the number of sentences.
  [[nodiscard]] std::uint32_t document(std::size_t number) const noexcept { return documents_[number]; }
  /// First token of a sentence; for `sentences()`, the number of tokens.
  [[nodiscard]] std::uint64_t sentence(std::size_t number) const noexcept { return sentences_[number]; }
  [[nodiscard]] std::size_t length(std::size_t sentence) const noexcept {
    return static_cast<std::size_t>(sentences_[sentence + 1] - sentences_[sentence]);
  }
  [[nodiscard]] token_id id(std::uint64_t token) const noexcept {
    const auto i = static_cast<std::size_t>(token);
    return wide_ ? static_cast<token_id>(wide_ids_[i] & 0x7FFFFFFFu) : static_cast<token_id>(narrow_ids_[i] & 0x7FFFu);
  }
  /// Whether a token continues the word of the token before it.
  [[nodiscard]] bool continues(std::uint64_t token) const noexcept {
    const auto i = static_cast<std::size_t>(token);
    return wide_ ? (wide_ids_[i] >> 31) != 0 : (narrow_ids_[i] >> 15) != 0;
  }
  /// Tokens that are [UNK]; 0 if the tokenizer has no `unk_id()`.
  [[nodiscard]] std::uint64_t unknown() const noexcept { return unknown_; }
  /// Hash of all lines of the text.
  [[nodiscard]] const hash64& content() const noexcept { return content_; }
  /// Bytes in the temporary files.
  [[nodiscard]] std::uint64_t bytes() const noexcept {
    return narrow_ids_.size() * 2 + wide_ids_.size() * 4 + sentences_.size() * 8 + documents_.size() * 4;
  }

 private:
  static constexpr std::size_t block_bytes = std::size_t{1} << 18;

  // Some lines of the corpus and their tokens. An empty line, in `ends` as in `lengths`, ends a document.
  struct block {
    std::string text;
    std::vector<std::size_t> ends;
    std::vector<token_id> ids;
    std::vector<word_part> parts;
    std::vector<std::size_t> lengths;
    std::exception_ptr failure;

    void clear() noexcept {
      text.clear();
      ends.clear();
    }

    template <class Tokenizer>
    void encode(const Tokenizer& tokenizer, std::size_t longest) noexcept {
      BERT_TRY {
        ids.clear();
        parts.clear();
        lengths.clear();
        failure = nullptr;
        for (std::size_t i = 0, begin = 0; i < ends.size(); begin = ends[i++]) {
          if (ends[i] == begin) lengths.push_back(0);
          else
            bert::text::split_sentences(std::string_view(text).substr(begin, ends[i] - begin),
                                        [&](std::string_view sentence) { add(tokenizer, sentence, longest); });
        }
      }
      BERT_CATCH(...) { failure = std::current_exception(); }
    }

    template <class Tokenizer>
    void add(const Tokenizer& tokenizer, std::string_view sentence, std::size_t longest) {
      std::size_t begin = ids.size();
      tokenizer.append_ids(sentence, ids, &parts);
      while (ids.size() - begin > longest) {
        std::size_t cut = begin + longest;
        while (cut > begin && parts[cut] == word_part::continues) --cut;
        if (cut == begin) cut = begin + longest;
        lengths.push_back(cut - begin);
        begin = cut;
      }
      if (ids.size() > begin) lengths.push_back(ids.size() - begin);
    }
  };

  void write(const block& b) {
    if (b.failure) std::rethrow_exception(b.failure);
    std::size_t next = 0;
    for (const std::size_t length : b.lengths) {
      if (length == 0) {
        if (std::exchange(open_, false)) documents_.append(first_open_);
        continue;
      }
      if (!std::exchange(open_, true)) first_open_ = checked(sentences_.size());
      sentences_.append(tokens());
      for (const std::size_t end = next + length; next < end; ++next) {
        const auto id = static_cast<std::uint32_t>(b.ids[next]);
        unknown_ += b.ids[next] == unknown_id_ ? 1 : 0;
        const bool more = b.parts[next] == word_part::continues;
        if (wide_) wide_ids_.append(id | (more ? 0x80000000u : 0u));
        else narrow_ids_.append(static_cast<std::uint16_t>(id | (more ? 0x8000u : 0u)));
      }
    }
  }

  static std::uint32_t checked(std::size_t sentence) {
    if (sentence >= std::numeric_limits<std::uint32_t>::max())
      throw_error({"bert::data", "fewer than 4,294,967,295 sentences", "more",
                   "split the corpus and train on one part after the other"});
    return static_cast<std::uint32_t>(sentence);
  }
  static std::filesystem::path folder(const token_store_options& options) {
    return options.scratch.empty() ? std::filesystem::temp_directory_path() : options.scratch;
  }
  template <class F>
  void for_each_array(F&& f) {
    f(narrow_ids_);
    f(wide_ids_);
    f(sentences_);
    f(documents_);
  }

  bool wide_;
  token_id unknown_id_ = -1;
  std::uint64_t unknown_ = 0;
  hash64 content_;
  scratch_array<std::uint16_t> narrow_ids_;
  scratch_array<std::uint32_t> wide_ids_;
  scratch_array<std::uint64_t> sentences_;  // first token of each, and the end
  scratch_array<std::uint32_t> documents_;  // first sentence of each, and the end
  bool open_ = false;                       // whether a document has begun
  std::uint32_t first_open_ = 0;            // its first sentence
};

}  // namespace bert::data

#endif  // BERT_DATA_TOKEN_STORE_HPP
