// Reads files in the format of SQuAD, paragraph by paragraph: SQuAD 1.1 and 2.0, CMRC 2018, DRCD, XQuAD.
// Layer: data. Test: tests/unit/data/squad_test.cpp. Paper: Rajpurkar et al. 2016, 2018.
#ifndef BERT_DATA_SQUAD_READER_HPP
#define BERT_DATA_SQUAD_READER_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/io/json_events.hpp"
#include "bert/io/mapped_file.hpp"

namespace bert::inline BERT_ISA::data {

/// An answer as the file has it: `start` counts code points of the context.
struct squad_answer {
  std::string text;
  std::int64_t start = 0;
};

struct squad_entry {
  std::string id, question;
  std::vector<squad_answer> answers;
  bool impossible = false;  ///< "is_impossible" of SQuAD 2.0
};

/// A context with its questions. `article` and `number` count from 0.
struct squad_paragraph {
  std::size_t article = 0, number = 0;
  std::string context;
  std::vector<squad_entry> questions;
};

using squad_visitor = std::function<void(const squad_paragraph&)>;

namespace detail {

/// Keeps one paragraph at a time; keys that it does not know are skipped.
class squad_events final : public io::json_events {
 public:
  squad_events(std::string path, const squad_visitor& visit) : path_(std::move(path)), visit_(visit) {}

  /// The titles of the articles; throws unless the document had a list of articles.
  [[nodiscard]] std::vector<std::string> titles() {
    if (!data_) throw_error({path_, "an object with the key \"data\"", "none", "is it a file in the format of SQuAD?"});
    return std::move(titles_);
  }

  void null() override { scalar("null"); }
  void boolean(bool value) override {
    if (in(place::question, "is_impossible")) entry_.impossible = value;
    else scalar("a boolean");
  }
  void negative(std::int64_t value) override {
    if (in(place::answer, "answer_start")) set(start_, value);  // is nowhere in the context
    else scalar("a whole number");
  }
  void whole(std::uint64_t value) override {
    if (in(place::answer, "answer_start")) set(start_, static_cast<std::int64_t>(std::min(value, std::uint64_t{1} << 62)));
    else if (in(place::question, "id")) set(id_, std::to_string(value));
    else scalar("a whole number");
  }
  void fraction(double) override { scalar("a fraction"); }
  void text(std::string& value) override {
    if (in(place::article, "title")) titles_.back() = std::move(value);
    else if (in(place::paragraph, "context")) set(context_, std::move(value));
    else if (in(place::question, "id")) set(id_, std::move(value));
    else if (in(place::question, "question")) set(question_, std::move(value));
    else if (in(place::answer, "text")) set(answer_, std::move(value));
    else scalar("a string");
  }
  void key(std::string& value) override { key_ = std::move(value); }

  void begin_object() override {
    const place p = child(true);
    if (p == place::article) {
      titles_.emplace_back();
      paragraphs_ = false;
      paragraph_.number = 0;
    } else if (p == place::paragraph) {
      context_.reset();
      paragraph_.questions.clear();
      qas_ = false;
    } else if (p == place::question) {
      entry_ = {};
      id_.reset();
      question_.reset();
      answers_ = false;
    } else if (p == place::answer) {
      answer_.reset();
      start_.reset();
    }
    open_.push_back(p);
  }
  void begin_array() override {
    const place p = child(false);
    bool* const once = p == place::data         ? &data_
                       : p == place::paragraphs ? &paragraphs_
                       : p == place::qas        ? &qas_
                       : p == place::answers    ? &answers_
                                                : nullptr;
    if (once != nullptr) {
      if (*once) throw_error({where(), "every key once", cat('"', key_, "\" twice"), "the file is damaged"});
      *once = true;
    }
    open_.push_back(p);
  }
  void end_object() override {
    const place p = open_.back();
    if (p == place::answer) {
      entry_.answers.push_back({take(answer_, "text"), take(start_, "answer_start")});
    } else if (p == place::question) {
      if (!answers_ && !entry_.impossible) missing("answers");
      entry_.question = take(question_, "question");
      entry_.id = take(id_, "id");
      paragraph_.questions.push_back(std::move(entry_));
    } else if (p == place::paragraph) {
      if (!qas_) missing("qas");
      paragraph_.context = take(context_, "context");
      paragraph_.article = titles_.size() - 1;
      visit_(std::as_const(paragraph_));
      paragraph_.questions.clear();
      ++paragraph_.number;
    } else if (p == place::article && !paragraphs_) {
      missing("paragraphs");
    }
    open_.pop_back();
  }
  void end_array() override { open_.pop_back(); }

 private:
  enum class place : std::uint8_t { root, data, article, paragraphs, paragraph, qas, question, answers, answer, other };

  [[nodiscard]] bool in(place p, std::string_view key) const noexcept {
    return !open_.empty() && open_.back() == p && key_ == key;
  }
  [[nodiscard]] bool in_list() const noexcept {
    using enum place;
    const place p = open_.empty() ? other : open_.back();
    return p == data || p == paragraphs || p == qas || p == answers;
  }
  /// What the current key or list must hold; nullptr if anything.
  [[nodiscard]] const char* wanted() const noexcept {
    using enum place;
    if (open_.empty()) return "an object with the key \"data\"";
    if (in_list()) return "an object";
    if (in(root, "data") || in(article, "paragraphs") || in(paragraph, "qas") || in(question, "answers")) return "an array";
    if (in(answer, "answer_start")) return "a whole number";
    if (in(question, "is_impossible")) return "true or false";
    if (in(article, "title") || in(paragraph, "context") || in(question, "id") || in(question, "question") ||
        in(answer, "text"))
      return "a string";
    return nullptr;
  }
  [[noreturn]] void refuse(const std::string& found) const {
    throw_error({in_list() || open_.empty() ? where() : cat(where(), ", \"", key_, '"'), wanted(), found,
                 "is it a file in the format of SQuAD?"});
  }
  void scalar(const std::string& found) const {
    const bool optional = found == "null" && (in(place::article, "title") || in(place::question, "is_impossible"));
    if (wanted() != nullptr && !optional) refuse(found);
  }
  [[nodiscard]] place child(bool object) const {
    using enum place;
    const char* const found = object ? "an object" : "an array";
    if (open_.empty()) return object ? root : (refuse(found), other);
    const place p = open_.back();
    if (in_list()) {
      if (!object) refuse(found);
      return p == data ? article : p == paragraphs ? paragraph : p == qas ? question : answer;
    }
    if (wanted() == nullptr) return other;
    if (object || std::string_view(wanted()) != "an array") refuse(found);
    return p == root ? data : p == article ? paragraphs : p == paragraph ? qas : answers;
  }

  template <class T>
  void set(std::optional<T>& field, T value) {
    if (field) throw_error({where(), "every key once", cat('"', key_, "\" twice"), "the file is damaged"});
    field = std::move(value);
  }
  template <class T>
  [[nodiscard]] T take(std::optional<T>& field, const char* key) {
    if (!field) missing(key);
    return *std::exchange(field, std::nullopt);
  }
  [[noreturn]] void missing(const char* key) const {
    throw_error({where(), cat("the key \"", key, '"'), "none", "is it a file in the format of SQuAD?"});
  }

  /// "dev.json, article 3 "Normans", paragraph 1, question "56dd"", as far as it is known; numbers from 1 on.
  [[nodiscard]] std::string where() const {
    std::string out = path_;
    std::size_t depth = 0;
    for (const place p : open_) depth += p == place::other ? 0 : 1;
    if (depth >= 3) {
      out += cat(", article ", titles_.size());
      if (!titles_.back().empty()) out += cat(" \"", titles_.back(), '"');
    }
    if (depth >= 5) out += cat(", paragraph ", paragraph_.number + 1);
    if (depth >= 7) out += id_ ? cat(", question \"", *id_, '"') : cat(", question ", paragraph_.questions.size() + 1);
    return out;
  }

  std::string path_;
  const squad_visitor& visit_;
  std::vector<place> open_;
  std::string key_;
  std::vector<std::string> titles_;
  squad_paragraph paragraph_;
  squad_entry entry_;
  std::optional<std::string> context_, id_, question_, answer_;
  std::optional<std::int64_t> start_;
  bool data_ = false, paragraphs_ = false, qas_ = false, answers_ = false;
};

}  // namespace detail

/// Calls visit(const squad_paragraph&) for every paragraph, in order, and returns the articles' titles. Holds one paragraph at
/// a time.
///
/// Keys may come in any order; those that are not of the format ("plausible_answers", "version") are skipped. Throws
/// bert::error that names file, article, paragraph and question: no JSON, a missing key, a value of another kind.
inline std::vector<std::string> read_squad(const std::filesystem::path& path, const squad_visitor& visit) {
  const io::mapped_file file(path);
  detail::squad_events events(path_text(path), visit);
  io::read_events(file.text(), path_text(path), events, {.values = std::size_t{1} << 26});
  return events.titles();
}

}  // namespace bert::data

#endif  // BERT_DATA_SQUAD_READER_HPP
