// Questions with answers in a context, from files in the format of SQuAD 1.1 and 2.0, CMRC 2018, DRCD and XQuAD.
// Layer: data. Test: tests/unit/data/squad_test.cpp. Paper: Rajpurkar et al. 2016; Devlin et al. 2019, 4.2.
#ifndef BERT_DATA_SQUAD_HPP
#define BERT_DATA_SQUAD_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/data/squad_reader.hpp"
#include "bert/data/squad_set.hpp"
#include "bert/text/question_windows.hpp"
#include "bert/text/tokenizer.hpp"
#include "bert/text/unicode/utf8.hpp"

namespace bert::inline BERT_ISA::data {

/// An answer whose text is not at its offset: an error, or left out of training and counted.
enum class misplaced_answers : std::uint8_t { refused, left_out };

/// Give `step` (Google's doc_stride: how far windows are apart, by default 128 tokens) or `overlap` (Hugging Face's: how many
/// tokens they share), not both.
struct squad_options {
  std::size_t max_tokens = 384;
  std::optional<std::size_t> step = {};
  std::optional<std::size_t> overlap = {};
  std::size_t max_question = 64;
  data::windows_without_answer windows_without_answer = data::windows_without_answer::at_cls;
  data::misplaced_answers misplaced_answers = data::misplaced_answers::refused;
};

/// Builds a squad_set, context by context.
///
///     bert::data::squad_builder<bert::text::tokenizer> notes(tokenizer, {.max_tokens = 128, .max_question = 32});
///     notes.add({.context = passage, .questions = {{.id = "1", .question = "Who?", .answers = {{"Ada", 0}}}}}, "notes");
///     const auto set = std::move(notes).build({"a title"});
template <class Tokenizer>
class squad_builder {
 public:
  /// Keeps a reference to `tokenizer`. Throws bert::error as text::question_windows does.
  explicit squad_builder(const Tokenizer& tokenizer, const squad_options& options = {})
      : tokenizer_(&tokenizer),
        options_(options),
        store_{.windows = text::question_windows({.max_tokens = options.max_tokens,
                                                  .max_question = options.max_question,
                                                  .step = options.step,
                                                  .overlap = options.overlap},
                                                 "bert::data::squad_options"),
               .without_answer = options.windows_without_answer,
               .cls = tokenizer.cls_id(),
               .sep = tokenizer.sep_id(),
               .second = tokenizer.second_segment()} {
    examples_.vocabulary = {.mask = tokenizer.mask_id(), .size = static_cast<token_id>(tokenizer.vocabulary().size())};
    examples_.groups.push_back(0);
  }

  /// Adds a context with its questions. Throws bert::error with `where` and the question: an id that was there before, an
  /// answer that is empty, is not at its offset, or has no token.
  void add(const squad_paragraph& paragraph, const std::string& where) {
    context_tokens& c = store_.contexts.emplace_back();
    c.text = paragraph.context;
    c.article = paragraph.article;
    content_.add(c.text);
    tokenizer_->encode_into(encoded_, c.text, {.special_tokens = false});
    c.ids = encoded_.ids;
    c.ranges = encoded_.ranges;
    c.words = encoded_.words;
    count_unknown(c.ids);
    for (const squad_entry& entry : paragraph.questions)
      add_question(entry, c, cat(where, ", article ", paragraph.article + 1, ", paragraph ", paragraph.number + 1));
  }

  [[nodiscard]] std::size_t size() const noexcept { return store_.questions.size(); }
  /// Throws bert::error if there is no question. `titles` are those of the articles.
  [[nodiscard]] squad_set build(std::vector<std::string> titles) && {
    std::size_t articles = 0;
    for (const auto& c : store_.contexts) articles = std::max(articles, c.article + 1);
    store_.titles = std::move(titles);
    store_.titles.resize(std::max(store_.titles.size(), articles));
    examples_.facts = {
        {"examples", content_.text()},
        {"tokens", std::to_string(options_.max_tokens)},
        {"question", std::to_string(options_.max_question)},
        {options_.overlap ? "overlap" : "step", std::to_string(options_.overlap.value_or(options_.step.value_or(128)))},
        {"windows without answer",
         options_.windows_without_answer == windows_without_answer::at_cls ? "at [CLS]" : "left out"}};
    append(examples_.facts, fingerprint_of(*tokenizer_));
    if (store_.misplaced > 0)
      examples_.notes.push_back(cat(store_.misplaced, " answers are not at their offsets and not trained"));
    if (unmarked_ > 0)
      examples_.notes.push_back(
          cat(unmarked_, " questions have no answer and no \"is_impossible\": read as without an answer"));
    if (examples_.groups.size() == examples_.starts.size()) examples_.groups.clear();  // one sequence an example
    store_.training = std::make_shared<const example_store>(std::move(examples_));
    return squad_set(std::move(store_));
  }

 private:
  void add_question(const squad_entry& entry, const context_tokens& c, const std::string& paragraph) {
    const std::string where = cat(paragraph, ", question \"", entry.id, '"');
    if (!ids_.insert(entry.id).second) throw_error({where, "every question's id once", "it a second time", {}});
    question_tokens& q = store_.questions.emplace_back();
    q.id = entry.id;
    q.text = entry.question;
    q.context = store_.contexts.size() - 1;
    parts_.clear();
    tokenizer_->append_ids(q.text, q.ids, &parts_);
    if (q.ids.size() > options_.max_question) {
      q.ids.resize(options_.max_question);
      ++examples_.truncated;
    }
    count_unknown(q.ids);
    content_.add(q.id).add(q.text).add(std::uint64_t{entry.impossible ? 1u : 0u});
    if (!entry.impossible) {
      if (entry.answers.empty()) ++unmarked_;
      for (const squad_answer& a : entry.answers) {
        content_.add(a.text).add(static_cast<std::uint64_t>(a.start));
        q.answers.push_back(a.text);
        const token_span found = place(a, c, where);
        if (q.answer.first < 0) q.answer = found;
      }
    }
    put(q);
  }

  /// The tokens that an answer overlaps; both -1 if it is not at its offset and that is allowed.
  [[nodiscard]] token_span place(const squad_answer& a, const context_tokens& c, const std::string& where) {
    if (a.text.empty()) throw_error({where, "a text for each answer", "an empty one", "mark the question \"is_impossible\""});
    const std::size_t begin = byte_of(c.text, a.start);
    const bool there = begin != std::string::npos && std::string_view(c.text).substr(begin, a.text.size()) == a.text;
    if (!there) {
      ++store_.misplaced;
      if (options_.misplaced_answers == misplaced_answers::left_out) return {};
      throw_error({where, cat("the answer \"", a.text, "\" at character ", a.start, " of the context"),
                   begin == std::string::npos ? std::string("a shorter context")
                                              : cat('"', std::string_view(c.text).substr(begin, a.text.size()), '"'),
                   "offsets count code points; .misplaced_answers = left_out trains on the other questions"});
    }
    const std::size_t end = begin + a.text.size();
    const auto first = std::partition_point(c.ranges.begin(), c.ranges.end(), [&](const auto& r) { return r.last <= begin; });
    const auto last = std::partition_point(first, c.ranges.end(), [&](const auto& r) { return r.first < end; });
    if (first == last) {
      if (options_.misplaced_answers == misplaced_answers::left_out) return ++store_.misplaced, token_span{};
      throw_error({where, "an answer of one token or more", cat('"', a.text, "\", which the tokenizer drops"),
                   ".misplaced_answers = left_out trains on the other questions"});
    }
    return {static_cast<std::int32_t>(first - c.ranges.begin()), static_cast<std::int32_t>(last - c.ranges.begin() - 1)};
  }
  /// The byte at which code point `number` of `text` starts; npos if there is none.
  [[nodiscard]] static std::size_t byte_of(std::string_view text, std::int64_t number) noexcept {
    if (number < 0) return std::string::npos;
    const char *const begin = text.data(), *const end = begin + text.size();
    const char* p = begin;
    for (; number > 0 && p < end; --number) p += text::utf8::decode(p, end).bytes;
    return p == end ? std::string::npos : static_cast<std::size_t>(p - begin);
  }

  /// Adds the windows of the question that was tokenized last, as far as they are trained, as one example.
  void put(const question_tokens& q) {
    const context_tokens& c = store_.contexts[q.context];
    for (const auto& window : store_.windows(q.ids.size(), c.ids.size())) {
      const token_span span = store_.span_in(q, window);
      if (span.first < 0) {
        ++store_.left_out_windows;
        continue;
      }
      store_.append(q, window, examples_.ids, examples_.segments);
      const auto put_part = [&](word_part part) { examples_.parts.push_back(part); };
      put_part(word_part::special);
      for (std::size_t t = 0; t < q.ids.size(); ++t) put_part(parts_[t]);
      put_part(word_part::special);
      for (std::size_t t = window.first; t < window.last; ++t)
        put_part(t > window.first && c.words[t] == c.words[t - 1] ? word_part::continues : word_part::begins);
      put_part(word_part::special);
      examples_.spans.push_back(span);
      examples_.starts.push_back(examples_.ids.size());
    }
    const bool any = examples_.starts.size() - 1 > examples_.groups.back();
    store_.examples.push_back(any ? examples_.groups.size() - 1 : squad_store::no_example);
    if (any) examples_.groups.push_back(examples_.starts.size() - 1);
  }
  void count_unknown(const std::vector<token_id>& ids) {
    examples_.unknown += static_cast<std::uint64_t>(std::count(ids.begin(), ids.end(), tokenizer_->unk_id()));
  }

  const Tokenizer* tokenizer_;
  squad_options options_;
  squad_store store_;
  example_store examples_;
  hash64 content_;
  std::unordered_set<std::string> ids_;
  std::uint64_t unmarked_ = 0;  // questions without an answer that do not say so
  text::encoding<text::offsets::bytes> encoded_;
  std::vector<word_part> parts_;  // of the question's tokens
};

/// Reads and tokenizes a file. Each answer's offset, in code points, becomes the tokens that its bytes overlap; of several gold
/// answers the first is trained.
///
///     const auto train = bert::data::squad("train-v1.1.json", tokenizer, {.max_tokens = 384, .step = 128, .max_question =
///     64});
///
/// Throws bert::error with file, article, paragraph and question: no SQuAD JSON, an id that occurs twice, an answer that is not
/// at its offset (unless `misplaced_answers` allows it), a file without questions.
template <class Reference>
[[nodiscard]] squad_set squad(const std::filesystem::path& path, const text::basic_tokenizer<Reference>& tokenizer,
                              const squad_options& options = {}) {
  squad_builder<text::basic_tokenizer<Reference>> set(tokenizer, options);
  const std::string name = path_text(path);
  auto titles = read_squad(path, [&](const squad_paragraph& paragraph) { set.add(paragraph, name); });
  if (set.size() == 0) throw_error({name, "at least one question", "none", "check the file"});
  return std::move(set).build(std::move(titles));
}

}  // namespace bert::data

#endif  // BERT_DATA_SQUAD_HPP
