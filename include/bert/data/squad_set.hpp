// Tokenized questions with their contexts and answers.
// Layer: data. Test: tests/unit/data/squad_test.cpp. Paper: Rajpurkar et al. 2016; Devlin et al. 2019, 4.2.
#ifndef BERT_DATA_SQUAD_SET_HPP
#define BERT_DATA_SQUAD_SET_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/data/labeled_set.hpp"
#include "bert/data/split.hpp"
#include "bert/tensor/training_batch.hpp"
#include "bert/text/encoding.hpp"
#include "bert/text/question_windows.hpp"

namespace bert::inline BERT_ISA::data {

/// What a window is trained towards that does not hold the answer of its question: [CLS], as run_squad.py does for SQuAD 1.1,
/// too, or it is left out of training. Windows of questions without an answer always are trained towards [CLS].
enum class windows_without_answer : std::uint8_t { at_cls, left_out };

/// A context and its tokens, of which its questions have windows.
struct context_tokens {
  std::string text;
  std::size_t article = 0;
  std::vector<token_id> ids;
  std::vector<text::text_range> ranges;  ///< bytes of each token in `text`
  std::vector<std::int32_t> words;       ///< of each token
};

/// A question, its gold answers, and where the first of them is.
struct question_tokens {
  std::string id, text;
  std::size_t context = 0;           ///< its number in the set
  std::vector<std::string> answers;  ///< gold answers; none: the context does not hold one
  std::vector<token_id> ids;         ///< of the question, cut to max_question
  token_span answer;                 ///< tokens of the context; both -1 if there is no answer, or none at its place
};

/// What a set shares with its parts: contexts, questions, and the sequences that training reads.
struct squad_store {
  static constexpr std::size_t no_example = std::numeric_limits<std::size_t>::max();

  text::question_windows windows;
  windows_without_answer without_answer = windows_without_answer::at_cls;
  token_id cls = 0, sep = 0;
  segment_id second = 1;
  std::vector<std::string> titles = {};  // of the articles
  std::vector<context_tokens> contexts = {};
  std::vector<question_tokens> questions = {};
  std::vector<std::size_t> examples = {};  // of each question its example in `training`, or no_example
  std::shared_ptr<const example_store> training = {};
  std::uint64_t misplaced = 0, left_out_windows = 0;

  /// Appends window [first, last) of the context of question `q`: [CLS] question [SEP] window [SEP].
  void append(const question_tokens& q, const text::text_range& window, std::vector<token_id>& ids,
              std::vector<segment_id>& segments) const {
    const std::size_t from = ids.size();
    ids.push_back(cls);
    ids.insert(ids.end(), q.ids.begin(), q.ids.end());
    ids.push_back(sep);
    segments.resize(segments.size() + (ids.size() - from), segment_id{0});
    const auto& all = contexts[q.context].ids;
    ids.insert(ids.end(), all.begin() + static_cast<std::ptrdiff_t>(window.first),
               all.begin() + static_cast<std::ptrdiff_t>(window.last));
    ids.push_back(sep);
    segments.resize(segments.size() + (window.last - window.first) + 1, second);
  }
  /// The rows of the answer in a window's sequence; {0, 0}, which is [CLS], if the window does not hold all of it, or both -1
  /// if such a window is left out.
  [[nodiscard]] token_span span_in(const question_tokens& q, const text::text_range& window) const noexcept {
    if (q.answer.first < 0) return q.answers.empty() ? token_span{0, 0} : token_span{};
    const auto first = static_cast<std::size_t>(q.answer.first), last = static_cast<std::size_t>(q.answer.last);
    if (first < window.first || last >= window.last)
      return without_answer == windows_without_answer::at_cls ? token_span{0, 0} : token_span{};
    const std::size_t row = text::question_windows::row_of_context(q.ids.size());
    return {static_cast<std::int32_t>(first - window.first + row), static_cast<std::int32_t>(last - window.first + row)};
  }
};

/// A set whose examples are questions: the sequences of one are the windows of its context, each with a span. Copies share the
/// questions.
///
///     const auto [train, dev] = bert::data::squad("dev-v1.1.json", tokenizer).split(0.8f, {.seed = 7});
///     bert::fit(reader, bert::objectives::span{}, train.batches(12), …);
///     std::cout << bert::evaluate(reader, dev).line();
class squad_set {
 public:
  using targets = target_list<bert::target::span>;

  /// Throws bert::error if there is no question.
  explicit squad_set(squad_store store) {
    if (store.questions.empty()) throw_error({"bert::data::squad_set", "at least one question", "none", {}});
    chosen_.resize(store.questions.size());
    std::iota(chosen_.begin(), chosen_.end(), std::uint32_t{0});
    store_ = std::make_shared<const squad_store>(std::move(store));
  }

  /// Questions.
  [[nodiscard]] std::size_t size() const noexcept { return chosen_.size(); }
  [[nodiscard]] const question_tokens& operator[](std::size_t i) const noexcept { return store_->questions[chosen_[i]]; }
  [[nodiscard]] const context_tokens& context(std::size_t i) const noexcept { return store_->contexts[(*this)[i].context]; }
  [[nodiscard]] const std::string& title(std::size_t i) const noexcept { return store_->titles[context(i).article]; }
  /// The windows of question `i`, as ranges of its context's tokens.
  [[nodiscard]] std::vector<text::text_range> windows(std::size_t i) const {
    return store_->windows((*this)[i].ids.size(), context(i).ids.size());
  }
  /// Sequences of all questions together, those that are not trained included.
  [[nodiscard]] std::size_t windows() const {
    std::size_t n = 0;
    for (std::size_t i = 0; i < size(); ++i) n += windows(i).size();
    return n;
  }
  /// Whether a question has no answer, as in SQuAD 2.0.
  [[nodiscard]] bool any_impossible() const noexcept {
    return std::any_of(chosen_.begin(), chosen_.end(), [&](auto q) { return store_->questions[q].answers.empty(); });
  }
  [[nodiscard]] const squad_store& store() const noexcept { return *store_; }

  /// Questions of the file that were cut to .max_question.
  [[nodiscard]] std::uint64_t truncated() const noexcept { return store_->training->truncated; }
  /// Answers of the file that are not at their offsets (misplaced_answers::left_out).
  [[nodiscard]] std::uint64_t misplaced() const noexcept { return store_->misplaced; }
  /// Windows of the file that are not trained.
  [[nodiscard]] std::uint64_t left_out() const noexcept { return store_->left_out_windows; }
  /// Tokens of the contexts and questions of the file, and how many of them are [UNK].
  [[nodiscard]] std::uint64_t tokens() const noexcept {
    std::uint64_t n = 0;
    for (const auto& c : store_->contexts) n += c.ids.size();
    for (const auto& q : store_->questions) n += q.ids.size();
    return n;
  }
  [[nodiscard]] std::uint64_t unknown() const noexcept { return store_->training->unknown; }
  /// What the user should know of the file, a line each.
  [[nodiscard]] const std::vector<std::string>& notes() const noexcept { return store_->training->notes; }

  /// The questions of a random `share` of the articles, rounded, and the others, both in the order of the file: no context is
  /// in both. Throws bert::error unless each has at least one article.
  [[nodiscard]] std::pair<squad_set, squad_set> split(float share, const split_options& options = {}) const {
    std::vector<std::uint32_t> articles;
    for (std::size_t i = 0; i < size(); ++i)
      if (articles.empty() || articles.back() != context(i).article)
        articles.push_back(static_cast<std::uint32_t>(context(i).article));
    std::vector<std::uint8_t> is_first(store_->titles.size(), 0);
    for (const auto article : split_at_random(articles, share, options, "bert::data::squad_set::split", "articles").first)
      is_first[article] = 1;
    std::vector<std::uint32_t> first, second;
    for (std::size_t i = 0; i < size(); ++i) (is_first[context(i).article] != 0 ? first : second).push_back(chosen_[i]);
    return {squad_set(store_, std::move(first)), squad_set(store_, std::move(second))};
  }

  /// Batches of `batch` questions with all their windows: shuffled anew in each epoch, or in the order of the file. Questions
  /// that are not trained are left out. Throws bert::error if that leaves none.
  [[nodiscard]] labeled_batches<targets> batches(int batch, const batch_options& options = {}) const {
    std::vector<std::uint32_t> examples;
    for (const auto q : chosen_)
      if (store_->examples[q] != squad_store::no_example) examples.push_back(static_cast<std::uint32_t>(store_->examples[q]));
    if (examples.empty()) throw_error({"bert::data::squad_set::batches", "a question with an answer at its place", "none", {}});
    return {store_->training, std::make_shared<const std::vector<std::uint32_t>>(std::move(examples)), batch, options};
  }

 private:
  squad_set(std::shared_ptr<const squad_store> store, std::vector<std::uint32_t> chosen)
      : store_(std::move(store)), chosen_(std::move(chosen)) {}

  std::shared_ptr<const squad_store> store_;
  std::vector<std::uint32_t> chosen_;
};

}  // namespace bert::data

#endif  // BERT_DATA_SQUAD_SET_HPP
