// The tokenizer of BERT models: text to ids, encodings and windows, and ids back to text.
// Layer: text. Test: tests/unit/text/tokenizer_test.cpp
#ifndef BERT_TEXT_TOKENIZER_HPP
#define BERT_TEXT_TOKENIZER_HPP

#include <algorithm>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/execution.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/tensor/token_batch.hpp"
#include "bert/text/added_tokens.hpp"
#include "bert/text/decode.hpp"
#include "bert/text/encoding.hpp"
#include "bert/text/extended_vocabulary.hpp"
#include "bert/text/scanner.hpp"
#include "bert/text/token_sinks.hpp"
#include "bert/text/token_splitter.hpp"
#include "bert/text/tokenizer_options.hpp"
#include "bert/text/unicode/properties.hpp"
#include "bert/text/unit_offsets.hpp"
#include "bert/text/wordpiece/vocabulary.hpp"

namespace bert::inline BERT_ISA::text {

/// Immutable; threads may share it. `Reference` is the tokenizer whose output it reproduces, Unicode version included.
template <class Reference = reference::transformers>
class basic_tokenizer {
 public:
  using reference_type = Reference;

  /// Throws bert::error naming the token if [UNK], [CLS] or [SEP] is missing; [PAD] and [MASK] are optional.
  explicit basic_tokenizer(text::vocabulary v, tokenizer_options options = {})
      : vocabulary_(std::move(v)),
        options_(std::move(options)),
        unk_(vocabulary_.require(options_.unk)),
        cls_(vocabulary_.require(options_.cls)),
        sep_(vocabulary_.require(options_.sep)),
        pad_(vocabulary_.id(options_.pad)),
        mask_(vocabulary_.id(options_.mask)),
        scanner_(vocabulary_,
                 {options_.lowercase, options_.strip_accents.value_or(options_.lowercase), options_.tokenize_chinese_chars,
                  options_.clean_text},
                 unk_, options_.max_word_characters != 0 ? options_.max_word_characters : Reference::max_word_characters),
        splitter_(vocabulary_, options_, scanner_.folding()) {
    // After the scanner is built: added tokens are not pieces of words.
    if (auto all = with_added(vocabulary_, splitter_.tokens())) vocabulary_ = *std::move(all);
  }

  static basic_tokenizer open(const std::filesystem::path& vocab_txt, tokenizer_options options = {}) {
    return basic_tokenizer(text::vocabulary::open(vocab_txt), std::move(options));
  }

  [[nodiscard]] const text::vocabulary& vocabulary() const noexcept { return vocabulary_; }
  [[nodiscard]] const tokenizer_options& options() const noexcept { return options_; }
  [[nodiscard]] std::size_t size() const noexcept { return vocabulary_.size(); }
  [[nodiscard]] token_id unk_id() const noexcept { return unk_; }
  [[nodiscard]] token_id cls_id() const noexcept { return cls_; }
  [[nodiscard]] token_id sep_id() const noexcept { return sep_; }
  [[nodiscard]] token_id pad_id() const { return pad_ ? *pad_ : vocabulary_.require(options_.pad); }
  [[nodiscard]] token_id mask_id() const { return mask_ ? *mask_ : vocabulary_.require(options_.mask); }
  [[nodiscard]] segment_id second_segment() const noexcept { return segment_id{options_.second_segment}; }
  [[nodiscard]] bool lowercase() const noexcept { return options_.lowercase; }
  [[nodiscard]] bool strip_accents() const noexcept { return scanner_.form().strip_accents; }
  [[nodiscard]] bool tokenize_chinese_chars() const noexcept { return options_.tokenize_chinese_chars; }
  [[nodiscard]] std::size_t max_word_characters() const noexcept { return scanner_.max_characters(); }
  /// The five special tokens that the vocabulary has, and those of the options.
  [[nodiscard]] const std::vector<added_token>& added() const noexcept { return splitter_.tokens(); }

  /// Every setting that changes the ids of a text; see trainer::keep.
  [[nodiscard]] named_facts fingerprint() const {
    hash64 pieces;
    for (std::size_t i = 0; i < vocabulary_.size(); ++i) pieces.add(vocabulary_.piece(static_cast<token_id>(i)));
    const auto on = [](bool value) { return value ? "yes" : "no"; };
    return {{"vocabulary", pieces.text()},
            {"lower case", on(lowercase())},
            {"accents stripped", on(strip_accents())},
            {"Chinese characters apart", on(tokenize_chinese_chars())},
            {"control characters dropped", on(options_.clean_text)},
            {"longest word", std::to_string(max_word_characters())},
            {"added tokens", splitter_.fingerprint()},
            {"second text's segment", std::to_string(int{second_segment()})},
            {"tokenizer's reference", std::string(Reference::name)}};
  }

  /// Appends the ids of `text`, without [CLS] and [SEP]. `parts`, if given, gets whether each begins or continues a word;
  /// tokens found in the text, such as [MASK], are `special`. Allocates only to grow the vectors.
  void append_ids(std::string_view text, std::vector<token_id>& ids, std::vector<word_part>* parts = nullptr) const {
    detail::id_sink sink(ids, parts);
    splitter_.scan(scanner_, text, sink);
    sink.flush();
  }

  /// [CLS] text [SEP] as a batch of one; every [MASK] is marked as scored.
  [[nodiscard]] token_batch encode(std::string_view text, const encode_options& options = {}) const {
    token_batch batch;
    encode_into(batch, text, options);
    mark_scored(batch);
    return batch;
  }
  /// [CLS] a [SEP] in segment 0, b [SEP] in segment 1.
  [[nodiscard]] token_batch encode(std::string_view a, std::string_view b, const encode_options& options = {}) const {
    token_batch batch;
    encode_into(batch, a, b, options);
    mark_scored(batch);
    return batch;
  }
  /// One sequence per text.
  [[nodiscard]] token_batch encode(std::span<const std::string> texts, const encode_options& options = {}) const {
    token_batch batch;
    for (const auto& text : texts) encode_into(batch, text, options);
    mark_scored(batch);
    return batch;
  }
  [[nodiscard]] token_batch encode(const std::vector<std::string>& texts, const encode_options& options = {}) const {
    return encode(std::span<const std::string>(texts), options);
  }

  /// The same on the threads of `run`; the batch does not depend on their number.
  template <executor Executor>
  [[nodiscard]] token_batch encode(std::span<const std::string> texts, const encode_options& options,
                                   const Executor& run) const {
    const std::size_t chunks = std::min(texts.size(), 8 * run.width());
    std::vector<token_batch> done(chunks);
    std::vector<std::exception_ptr> failed(chunks);
    run.parallel_for(chunks, [&](std::size_t i) {
      BERT_TRY {
        for (std::size_t t = texts.size() * i / chunks; t < texts.size() * (i + 1) / chunks; ++t)
          encode_into(done[i], texts[t], options);
        mark_scored(done[i]);
      }
      BERT_CATCH(...) { failed[i] = std::current_exception(); }
    });
    for (const auto& failure : failed)
      if (failure) std::rethrow_exception(failure);
    token_batch batch;
    batch_shape whole{0, 0, 0, 0};
    for (const auto& chunk : done) {
      whole.sequences += chunk.sequences();
      whole.tokens += chunk.tokens();
    }
    batch.reserve(whole);
    for (const auto& chunk : done) batch.append(chunk);
    return batch;
  }

  /// Appends one sequence to `batch`, with no token marked as scored. Returns how many tokens were cut off (0 without a
  /// limit). Allocates only while `batch` and the thread's scratch memory grow.
  std::size_t encode_into(token_batch& batch, std::string_view text, const encode_options& options = {}) const {
    return encode_batch(batch, text, nullptr, options);
  }
  std::size_t encode_into(token_batch& batch, std::string_view a, std::string_view b,
                          const encode_options& options = {}) const {
    return encode_batch(batch, a, &b, options);
  }

  /// For every token its id, its range in the text in units of `Offsets`, its word, and whether it is [CLS] or [SEP].
  template <class Offsets>
  [[nodiscard]] encoding<Offsets> encode(std::string_view a, const encode_options& options = {}) const {
    encoding<Offsets> out;
    encode_into(out, a, options);
    return out;
  }
  template <class Offsets>
  [[nodiscard]] encoding<Offsets> encode(std::string_view a, std::string_view b, const encode_options& options = {}) const {
    encoding<Offsets> out;
    encode_into(out, a, b, options);
    return out;
  }
  /// The same, overwriting `out`. Allocates only while `out` and the thread's scratch memory grow.
  template <class Offsets>
  void encode_into(encoding<Offsets>& out, std::string_view a, const encode_options& options = {}) const {
    encode_full(out, a, nullptr, options);
  }
  template <class Offsets>
  void encode_into(encoding<Offsets>& out, std::string_view a, std::string_view b, const encode_options& options = {}) const {
    encode_full(out, a, &b, options);
  }

  /// All windows of a text longer than `max_tokens`; each shares `stride` tokens with the next. The first equals encode().
  /// If both texts of a pair are cut, every window of one is paired with every window of the other.
  template <class Offsets>
  [[nodiscard]] std::vector<encoding<Offsets>> windows(std::string_view a, const encode_options& options) const {
    return windows_of<Offsets>(a, nullptr, options);
  }
  template <class Offsets>
  [[nodiscard]] std::vector<encoding<Offsets>> windows(std::string_view a, std::string_view b,
                                                       const encode_options& options) const {
    return windows_of<Offsets>(a, &b, options);
  }

  /// The text of `ids`, joined as the reference joins it. Throws bert::error for an id out of range.
  [[nodiscard]] std::string decode(std::span<const token_id> ids, const decode_options& options = {}) const {
    std::string out;
    bool first = true;
    for (const token_id id : ids) {
      const std::string_view piece = vocabulary_.piece(id);
      if (options.skip_special && is_special(id)) continue;
      detail::append_piece(out, piece, first, options.clean_up);
      first = false;
    }
    return out;
  }
  /// Whether `id` is one of [CLS], [SEP], [PAD], [MASK], [UNK] or a special added token.
  [[nodiscard]] bool is_special(token_id id) const noexcept { return splitter_.is_special(id); }

  /// The pieces of `text` as strings, without [CLS] and [SEP].
  [[nodiscard]] std::vector<std::string> tokens(std::string_view text) const {
    std::vector<token_id> ids;
    append_ids(text, ids);
    return pieces(ids);
  }
  [[nodiscard]] std::vector<std::string> pieces(std::span<const token_id> ids) const {
    std::vector<std::string> out;
    out.reserve(ids.size());
    for (const token_id id : ids) out.emplace_back(vocabulary_.piece(id));
    return out;
  }

 private:
  void mark_scored(token_batch& batch) const {
    if (mask_) batch.score_each(*mask_);
  }

  [[nodiscard]] side cut_side(const encode_options& options) const noexcept {
    return options.truncate_side.value_or(options_.truncation_side);
  }

  struct scratch {
    std::vector<token_id> a, b, ids, again;
    std::vector<segment_id> segments;
    std::vector<word_part> parts;
    detail::token_list first, second;
  };
  static scratch& thread_scratch() {
    static thread_local scratch work;
    return work;
  }

  // The length of a text as the reference compares it to the other text's. Since tokenizers 0.23 it counts from the side that
  // is not cut, up to the end of the word that reaches max_tokens; special tokens end no word.
  [[nodiscard]] std::size_t compared_length(std::string_view text, std::span<const token_id> ids,
                                            const encode_options& options) const {
    const std::size_t size = ids.size();
    if (size <= options.max_tokens) return size;
    const bool left = cut_side(options) == side::left;
    const auto stop = [&](auto&& part) {
      for (std::size_t n = options.max_tokens;; ++n) {
        while (n < size && part(left ? size - n : n) == word_part::continues) ++n;
        if (n >= size || part(left ? size - n : n - 1) != word_part::special) return std::min(n, size);
      }
    };
    bool ambiguous = false;  // the id of a special token may also be a word's, as [UNK] is: only a second scan can tell
    const std::size_t found = stop([&](std::size_t i) {
      for (const auto& t : added()) ambiguous = ambiguous || t.id == ids[i];
      return vocabulary_.piece(ids[i]).starts_with("##") ? word_part::continues : word_part::begins;
    });
    if (!ambiguous) return found;
    auto& work = thread_scratch();
    work.again.clear();
    work.parts.clear();
    append_ids(text, work.again, &work.parts);
    return stop([&](std::size_t i) { return work.parts[i]; });
  }

  std::size_t encode_batch(token_batch& batch, std::string_view first, const std::string_view* second,
                           const encode_options& options) const {
    scratch& work = thread_scratch();
    auto &a = work.a, &b = work.b, &ids = work.ids;
    auto& segments = work.segments;
    a.clear();
    b.clear();
    append_ids(first, a);
    if (second != nullptr) append_ids(*second, b);
    const std::size_t extra = !options.special_tokens ? 0 : second != nullptr ? 3 : 2;
    const auto [keep_a, keep_b] = detail::kept_tokens(a.size(), b.size(), second != nullptr, extra, options, [&] {
      return compared_length(first, a, options) > compared_length(*second, b, options);
    });
    const bool right = cut_side(options) == side::right;
    const auto kept = [right](const std::vector<token_id>& from, std::size_t keep) {
      return std::span<const token_id>(from).subspan(right ? 0 : from.size() - keep, keep);
    };
    const auto append = [&](std::span<const token_id> more) { ids.insert(ids.end(), more.begin(), more.end()); };
    ids.clear();
    if (options.special_tokens) ids.push_back(cls_);
    append(kept(a, keep_a));
    if (options.special_tokens) ids.push_back(sep_);
    segments.assign(ids.size(), segment_id{0});
    if (second != nullptr) {
      append(kept(b, keep_b));
      if (options.special_tokens) ids.push_back(sep_);
      segments.resize(ids.size(), second_segment());
    }
    batch.add(ids, segments);
    return a.size() + b.size() - keep_a - keep_b;
  }

  // Writes the tokens of `text`, with offsets in bytes.
  template <class Offsets>
  void list_tokens(std::string_view text, detail::token_list& out) const {
    detail::list_sink<detail::has_offsets<Offsets>> sink(vocabulary_, text.data(), out);
    splitter_.scan(scanner_, text, sink);
    sink.finish();
  }

  // Writes both texts' tokens and returns how many of each are kept.
  template <class Offsets>
  std::pair<std::size_t, std::size_t> list_both(std::string_view first, const std::string_view* second,
                                                const encode_options& options, scratch& work) const {
    auto &a = work.first, &b = work.second;
    list_tokens<Offsets>(first, a);
    if (second != nullptr) list_tokens<Offsets>(*second, b);
    else b.size = 0;
    const std::size_t extra = !options.special_tokens ? 0 : second != nullptr ? 3 : 2;
    return detail::kept_tokens(a.size, b.size, second != nullptr, extra, options, [&] {
      return compared_length(first, a.all_ids(), options) > compared_length(*second, b.all_ids(), options);
    });
  }

  template <class Offsets>
  void encode_full(encoding<Offsets>& out, std::string_view first, const std::string_view* second,
                   const encode_options& options) const {
    scratch& work = thread_scratch();
    const auto [keep_a, keep_b] = list_both<Offsets>(first, second, options, work);
    const auto kept = [&](detail::token_list& list, std::string_view text, std::size_t keep) {
      const std::size_t begin = cut_side(options) == side::right ? 0 : list.size - keep;
      if constexpr (detail::has_offsets<Offsets>)
        detail::convert_offsets<Offsets>(text, std::span(list.ranges).subspan(begin, keep));
      return detail::token_slice{&list, begin, keep};
    };
    const auto a = kept(work.first, first, keep_a);
    const auto b = second != nullptr ? kept(work.second, *second, keep_b) : detail::token_slice{};
    detail::assemble(out, a, b, cls_and_sep(options));
  }

  template <class Offsets>
  [[nodiscard]] std::vector<encoding<Offsets>> windows_of(std::string_view first, const std::string_view* second,
                                                          const encode_options& options) const {
    scratch& work = thread_scratch();
    const auto [keep_a, keep_b] = list_both<Offsets>(first, second, options, work);
    const auto ranges = [&](detail::token_list& list, std::string_view text, std::size_t keep) {
      if constexpr (detail::has_offsets<Offsets>)
        detail::convert_offsets<Offsets>(text, std::span(list.ranges).first(list.size));
      if (keep == 0 && list.size != 0)  // all of it is cut: the reference gives an empty window, then the whole
        return std::vector<text_range>{{0, 0}, {0, list.size}};
      return detail::window_ranges(list.size, keep, options.stride, cut_side(options) == side::left);
    };
    const auto ranges_a = ranges(work.first, first, keep_a);
    const auto ranges_b = second != nullptr ? ranges(work.second, *second, keep_b) : std::vector<text_range>{{0, 0}};
    std::vector<encoding<Offsets>> out;
    const auto pair = [&](const text_range& a, const text_range& b) {
      const detail::token_list* const of_b = second != nullptr ? &work.second : nullptr;
      detail::assemble(out.emplace_back(), {&work.first, a.first, a.last - a.first}, {of_b, b.first, b.last - b.first},
                       cls_and_sep(options));
    };
    pair(ranges_a[0], ranges_b[0]);
    for (std::size_t i = 1; i < ranges_a.size(); ++i)
      for (const auto& b : ranges_b) pair(ranges_a[i], b);
    for (std::size_t j = 1; j < ranges_b.size(); ++j) pair(ranges_a[0], ranges_b[j]);
    return out;
  }

  [[nodiscard]] detail::special_ids cls_and_sep(const encode_options& options) const noexcept {
    return {options.special_tokens, cls_, sep_, second_segment()};
  }

  text::vocabulary vocabulary_;
  tokenizer_options options_;
  token_id unk_, cls_, sep_;
  std::optional<token_id> pad_, mask_;
  scanner<Reference> scanner_;
  detail::token_splitter<Reference> splitter_;
};

/// The tokenizer of transformers (BertTokenizerFast).
class tokenizer : public basic_tokenizer<reference::transformers> {
 public:
  using basic_tokenizer::basic_tokenizer;
  tokenizer(basic_tokenizer base) : basic_tokenizer(std::move(base)) {}  // NOLINT: nothing is added

  static tokenizer open(const std::filesystem::path& vocab_txt, tokenizer_options options = {}) {
    return tokenizer(text::vocabulary::open(vocab_txt), std::move(options));
  }
};

/// The tokenizer of google-research/bert.
class google_tokenizer : public basic_tokenizer<reference::google> {
 public:
  using basic_tokenizer::basic_tokenizer;
};

}  // namespace bert::text

#endif  // BERT_TEXT_TOKENIZER_HPP
