// Text in, ids out, as the reference would: the tokenizer that models are used with.
// Layer: text. Test: tests/unit/text/tokenizer_test.cpp
#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/execution.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/tensor/token_batch.hpp"
#include "bert/text/added_tokens.hpp"
#include "bert/text/decode.hpp"
#include "bert/text/encoding.hpp"
#include "bert/text/extended_vocabulary.hpp"
#include "bert/text/normalized_text.hpp"
#include "bert/text/scanner.hpp"
#include "bert/text/token_sinks.hpp"
#include "bert/text/tokenizer_options.hpp"
#include "bert/text/unicode/properties.hpp"
#include "bert/text/unit_offsets.hpp"
#include "bert/text/wordpiece/vocabulary.hpp"

namespace bert::inline BERT_ISA::text {

/// Immutable; share it between threads. `Reference` says whose tokens these are, down to the version of Unicode.
template <class Reference = reference::transformers>
class basic_tokenizer {
 public:
  using reference_type = Reference;

  /// Throws bert::error naming [UNK], [CLS] or [SEP] if the vocabulary has none; [PAD] and [MASK] may be absent.
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
        tokens_(all_added()) {
    std::vector<added_token> raw, normalized;
    normalized_text normal;
    for (const auto& t : tokens_) {
      if (t.special) special_ids_.push_back(t.id);
      const bool named =
          std::any_of(options_.added.begin(), options_.added.end(), [&](const auto& a) { return a.content == t.content; });
      if (!Reference::finds_specials && !named) continue;
      if (!t.normalized) {
        raw.push_back(t);
        continue;
      }
      normalized.push_back(t);
      normalize(scanner_.folding(), t.content.data(), t.content.data() + t.content.size(), normal);
      normalized.back().content = normal.text;
      if (normalized.back().content.empty()) normalized.pop_back();
    }
    std::sort(special_ids_.begin(), special_ids_.end());
    raw_ = added_tokens(std::move(raw));
    normalized_ = added_tokens(std::move(normalized));
    extend();
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
  /// Segment of the second text of a pair.
  [[nodiscard]] segment_id second_segment() const noexcept { return segment_id{options_.second_segment}; }
  [[nodiscard]] bool lowercase() const noexcept { return options_.lowercase; }
  [[nodiscard]] bool strip_accents() const noexcept { return scanner_.form().strip_accents; }
  [[nodiscard]] bool tokenize_chinese_chars() const noexcept { return options_.tokenize_chinese_chars; }
  [[nodiscard]] std::size_t max_word_characters() const noexcept { return scanner_.max_characters(); }
  /// The five special tokens that the vocabulary has, and those of the options.
  [[nodiscard]] const std::vector<added_token>& added() const noexcept { return tokens_; }

  /// What decides which ids a text becomes; see trainer::keep.
  [[nodiscard]] named_facts fingerprint() const {
    hash64 pieces, named;
    for (std::size_t i = 0; i < vocabulary_.size(); ++i) pieces.add(vocabulary_.piece(static_cast<token_id>(i)));
    for (const auto& t : tokens_)
      named.add(t.content)
          .add(static_cast<std::uint64_t>(t.id))
          .add((t.single_word ? 1u : 0u) | (t.lstrip ? 2u : 0u) | (t.rstrip ? 4u : 0u) | (t.normalized ? 8u : 0u));
    const auto on = [](bool value) { return value ? "yes" : "no"; };
    return {{"vocabulary", pieces.text()},
            {"lower case", on(lowercase())},
            {"accents stripped", on(strip_accents())},
            {"Chinese characters apart", on(tokenize_chinese_chars())},
            {"control characters dropped", on(options_.clean_text)},
            {"longest word", std::to_string(max_word_characters())},
            {"added tokens", named.text()},
            {"second text's segment", std::to_string(int{second_segment()})},
            {"tokenizer's reference", std::string(Reference::name)}};
  }

  /// Appends the pieces of `text`, no [CLS] or [SEP]; in `parts`, if given, whether each begins or continues a word
  /// (named tokens such as [MASK] are `special`). Allocates only to grow the vectors.
  void append_ids(std::string_view text, std::vector<token_id>& ids, std::vector<word_part>* parts = nullptr) const {
    detail::id_sink sink(ids, parts);
    pass(text, sink);
    sink.flush();
  }

  /// [CLS] text [SEP] as a batch of one, with scores asked for wherever [MASK] stands.
  [[nodiscard]] token_batch encode(std::string_view text, const encode_options& options = {}) const {
    token_batch batch;
    encode_into(batch, text, options);
    mark(batch);
    return batch;
  }
  /// [CLS] a [SEP] of segment 0, b [SEP] of segment 1.
  [[nodiscard]] token_batch encode(std::string_view a, std::string_view b, const encode_options& options = {}) const {
    token_batch batch;
    encode_into(batch, a, b, options);
    mark(batch);
    return batch;
  }
  /// One sequence a text.
  [[nodiscard]] token_batch encode(std::span<const std::string> texts, const encode_options& options = {}) const {
    token_batch batch;
    for (const auto& text : texts) encode_into(batch, text, options);
    mark(batch);
    return batch;
  }
  [[nodiscard]] token_batch encode(const std::vector<std::string>& texts, const encode_options& options = {}) const {
    return encode(std::span<const std::string>(texts), options);
  }

  /// The same on the threads of `run`; the batch does not depend on how many they are.
  template <executor Executor>
  [[nodiscard]] token_batch encode(std::span<const std::string> texts, const encode_options& options,
                                   const Executor& run) const {
    const std::size_t parts = std::min(texts.size(), 8 * run.width());
    std::vector<token_batch> done(parts);
    std::vector<std::exception_ptr> failed(parts);
    run.parallel_for(parts, [&](std::size_t i) {
      try {
        for (std::size_t t = texts.size() * i / parts; t < texts.size() * (i + 1) / parts; ++t)
          encode_into(done[i], texts[t], options);
        mark(done[i]);
      } catch (...) {
        failed[i] = std::current_exception();
      }
    });
    for (const auto& failure : failed)
      if (failure) std::rethrow_exception(failure);
    token_batch batch;
    batch_shape whole{0, 0, 0, 0};
    for (const auto& part : done) {
      whole.sequences += part.sequences();
      whole.tokens += part.tokens();
    }
    batch.reserve(whole);
    for (const auto& part : done) batch.append(part);
    return batch;
  }

  /// Appends one sequence to `batch` and returns how many tokens were cut off (0 without a limit). Asks for no scores.
  /// Allocates only while `batch` and the thread's scratch memory grow.
  std::size_t encode_into(token_batch& batch, std::string_view text, const encode_options& options = {}) const {
    return encode_pieces(batch, text, nullptr, options);
  }
  std::size_t encode_into(token_batch& batch, std::string_view a, std::string_view b,
                          const encode_options& options = {}) const {
    return encode_pieces(batch, a, &b, options);
  }

  /// Everything about every token: its place in the text in the unit `Offsets`, its word, whether it is [CLS] or [SEP].
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
  /// The same in place of what `out` holds. Allocates only while `out` and the thread's scratch memory grow.
  template <class Offsets>
  void encode_into(encoding<Offsets>& out, std::string_view a, const encode_options& options = {}) const {
    encode_first(out, a, nullptr, options);
  }
  template <class Offsets>
  void encode_into(encoding<Offsets>& out, std::string_view a, std::string_view b, const encode_options& options = {}) const {
    encode_first(out, a, &b, options);
  }

  /// The same for a text that is longer than `max_tokens`: every window of it, each sharing `stride` tokens with the next.
  /// The first is what encode() gives. Where both texts of a pair are cut, every window of one meets every window of the other.
  template <class Offsets>
  [[nodiscard]] std::vector<encoding<Offsets>> windows(std::string_view a, const encode_options& options) const {
    return windows_of<Offsets>(a, nullptr, options);
  }
  template <class Offsets>
  [[nodiscard]] std::vector<encoding<Offsets>> windows(std::string_view a, std::string_view b,
                                                       const encode_options& options) const {
    return windows_of<Offsets>(a, &b, options);
  }

  /// The text that `ids` stand for, as the reference joins it. Throws bert::error for an id that no token has.
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
  /// Whether the id is that of [CLS], [SEP] and so on, or of a special added token.
  [[nodiscard]] bool is_special(token_id id) const noexcept {
    return std::binary_search(special_ids_.begin(), special_ids_.end(), id);
  }

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
  template <class Sink>
  void pass(std::string_view text, Sink& sink) const {
    raw_.split(
        text.data(), text.data() + text.size(),
        [&](const char* first, const char* last) {
          if (normalized_.empty()) scanner_.scan(first, last, sink);
          else pass_normalized(first, last, sink);
        },
        [&](const added_token& t, const char* first, const char* last) { sink.special(t, first, last); });
  }

  template <class Sink>
  void pass_normalized(const char* begin, const char* end, Sink& sink) const {
    static thread_local normalized_text normal;
    normalize(scanner_.folding(), begin, end, normal);
    const char* const text = normal.text.data();
    const auto split = [&](auto& words) {
      normalized_.split(
          text, text + normal.text.size(), [&](const char* first, const char* last) { scanner_.scan(first, last, words); },
          [&](const added_token& t, const char* first, const char* last) {
            sink.special(t, begin + normal.first[static_cast<std::size_t>(first - text)],
                         begin + normal.last[static_cast<std::size_t>(last - text) - 1]);
          });
    };
    if constexpr (Sink::tracks) {
      original_offsets back(normal, begin, sink);
      split(back);
    } else {
      split(sink);  // no word's place is asked for: one scanner less to compile
    }
  }

  void mark(token_batch& batch) const {
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
  static scratch& own_scratch() {
    static thread_local scratch mine;
    return mine;
  }

  // How many of a text's tokens the reference has seen when it decides which of two texts is the longer: since 0.23 it stops
  // with the first word, named tokens not counted as such, that brings max_tokens of them, from the side that is not cut.
  [[nodiscard]] std::size_t seen(std::string_view text, std::span<const token_id> ids, const encode_options& options) const {
    const std::size_t size = ids.size();
    if (size <= options.max_tokens) return size;
    const bool left = cut_side(options) == side::left;
    const auto stop = [&](auto&& part) {
      for (std::size_t n = options.max_tokens;; ++n) {
        while (n < size && part(left ? size - n : n) == word_part::continues) ++n;
        if (n >= size || part(left ? size - n : n - 1) != word_part::special) return std::min(n, size);
      }
    };
    bool named = false;  // an id that a named token has: whether it was named or, as [UNK], is a word's, only the scanner knows
    const std::size_t found = stop([&](std::size_t i) {
      for (const auto& t : tokens_) named = named || t.id == ids[i];
      return vocabulary_.piece(ids[i]).starts_with("##") ? word_part::continues : word_part::begins;
    });
    if (!named) return found;
    auto& work = own_scratch();
    work.again.clear();
    work.parts.clear();
    append_ids(text, work.again, &work.parts);
    return stop([&](std::size_t i) { return work.parts[i]; });
  }

  std::size_t encode_pieces(token_batch& batch, std::string_view first, const std::string_view* second,
                            const encode_options& options) const {
    scratch& work = own_scratch();
    auto &a = work.a, &b = work.b, &ids = work.ids;
    auto& segments = work.segments;
    a.clear();
    b.clear();
    append_ids(first, a);
    if (second != nullptr) append_ids(*second, b);
    const std::size_t extra = !options.special_tokens ? 0 : second != nullptr ? 3 : 2;
    const auto [keep_a, keep_b] = detail::kept_tokens(a.size(), b.size(), second != nullptr, extra, options,
                                                      [&] { return seen(first, a, options) > seen(*second, b, options); });
    const bool right = cut_side(options) == side::right;
    const auto kept = [right](const std::vector<token_id>& from, std::size_t keep) {
      return std::span<const token_id>(from).subspan(right ? 0 : from.size() - keep, keep);
    };
    const auto append = [&](std::span<const token_id> part) { ids.insert(ids.end(), part.begin(), part.end()); };
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

  // The tokens of `text`, their places in bytes.
  template <class Offsets>
  void list(std::string_view text, detail::token_list& out) const {
    detail::list_sink<detail::has_offsets<Offsets>> sink(vocabulary_, text.data(), out);
    pass(text, sink);
    sink.finish();
  }

  // Both texts' tokens and how many of each stay.
  template <class Offsets>
  std::pair<std::size_t, std::size_t> list_both(std::string_view first, const std::string_view* second,
                                                const encode_options& options, scratch& work) const {
    auto &a = work.first, &b = work.second;
    list<Offsets>(first, a);
    if (second != nullptr) list<Offsets>(*second, b);
    else b.size = 0;
    const std::size_t extra = !options.special_tokens ? 0 : second != nullptr ? 3 : 2;
    return detail::kept_tokens(a.size, b.size, second != nullptr, extra, options,
                               [&] { return seen(first, a.all_ids(), options) > seen(*second, b.all_ids(), options); });
  }

  template <class Offsets>
  void encode_first(encoding<Offsets>& out, std::string_view first, const std::string_view* second,
                    const encode_options& options) const {
    scratch& work = own_scratch();
    const auto [keep_a, keep_b] = list_both<Offsets>(first, second, options, work);
    const auto part = [&](detail::token_list& list, std::string_view text, std::size_t keep) {
      const std::size_t begin = cut_side(options) == side::right ? 0 : list.size - keep;
      if constexpr (detail::has_offsets<Offsets>) detail::retell<Offsets>(text, std::span(list.ranges).subspan(begin, keep));
      return detail::token_part{&list, begin, keep};
    };
    const auto a = part(work.first, first, keep_a);
    const auto b = second != nullptr ? part(work.second, *second, keep_b) : detail::token_part{};
    detail::assemble(out, a, b, around(options));
  }

  template <class Offsets>
  [[nodiscard]] std::vector<encoding<Offsets>> windows_of(std::string_view first, const std::string_view* second,
                                                          const encode_options& options) const {
    scratch& work = own_scratch();
    const auto [keep_a, keep_b] = list_both<Offsets>(first, second, options, work);
    const auto parts = [&](detail::token_list& list, std::string_view text, std::size_t keep) {
      if constexpr (detail::has_offsets<Offsets>) detail::retell<Offsets>(text, std::span(list.ranges).first(list.size));
      if (keep == 0 && list.size != 0)  // all of it is cut: an empty part, then the whole, as the reference has it
        return std::vector<text_range>{{0, 0}, {0, list.size}};
      return detail::window_ranges(list.size, keep, options.stride, cut_side(options) == side::left);
    };
    const auto parts_a = parts(work.first, first, keep_a);
    const auto parts_b = second != nullptr ? parts(work.second, *second, keep_b) : std::vector<text_range>{{0, 0}};
    std::vector<encoding<Offsets>> out;
    const auto pair = [&](const text_range& a, const text_range& b) {
      const detail::token_list* const of_b = second != nullptr ? &work.second : nullptr;
      detail::assemble(out.emplace_back(), {&work.first, a.first, a.last - a.first}, {of_b, b.first, b.last - b.first},
                       around(options));
    };
    pair(parts_a[0], parts_b[0]);
    for (std::size_t i = 1; i < parts_a.size(); ++i)
      for (const auto& b : parts_b) pair(parts_a[i], b);
    for (std::size_t j = 1; j < parts_b.size(); ++j) pair(parts_a[0], parts_b[j]);
    return out;
  }

  [[nodiscard]] detail::special_ids around(const encode_options& options) const noexcept {
    return {options.special_tokens, cls_, sep_, second_segment()};
  }

  [[nodiscard]] std::vector<added_token> all_added() const {
    std::vector<added_token> all;
    const auto add = [&](const std::string& content) {
      const auto id = vocabulary_.id(content);
      const bool named =
          std::any_of(options_.added.begin(), options_.added.end(), [&](const auto& t) { return t.content == content; });
      if (id && !named) all.push_back({.content = content, .id = *id});
    };
    for (const auto* name : {&options_.unk, &options_.sep, &options_.pad, &options_.cls, &options_.mask}) add(*name);
    all.insert(all.end(), options_.added.begin(), options_.added.end());
    return all;
  }

  // After the matcher is built: added tokens are no pieces of words.
  void extend() {
    if (auto all = with_added(vocabulary_, tokens_)) vocabulary_ = *std::move(all);
  }

  text::vocabulary vocabulary_;
  tokenizer_options options_;
  token_id unk_, cls_, sep_;
  std::optional<token_id> pad_, mask_;
  scanner<Reference> scanner_;
  std::vector<added_token> tokens_;
  std::vector<token_id> special_ids_;
  added_tokens raw_, normalized_;
};

/// The tokens of transformers' BertTokenizerFast.
class tokenizer : public basic_tokenizer<reference::transformers> {
 public:
  using basic_tokenizer::basic_tokenizer;
  tokenizer(basic_tokenizer base) : basic_tokenizer(std::move(base)) {}  // NOLINT: nothing is added

  static tokenizer open(const std::filesystem::path& vocab_txt, tokenizer_options options = {}) {
    return tokenizer(text::vocabulary::open(vocab_txt), std::move(options));
  }
};

/// The tokens of google-research/bert.
class google_tokenizer : public basic_tokenizer<reference::google> {
 public:
  using basic_tokenizer::basic_tokenizer;
};

}  // namespace bert::text
