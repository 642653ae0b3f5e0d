// finetune --task choice: the right one of several choices, from lines of JSON.
#include "bert/heads/choice.hpp"

#include "bert/data/choices.hpp"
#include "bert/objectives/choice.hpp"
#include "finetune/training.hpp"

namespace finetune {

namespace {

template <class A>
class choosing {
 public:
  using head = bert::heads::choice;
  using model_type = bert::model<A, head>;
  static constexpr const char* part = "choice head";

  choosing(const settings& s, const bert::checkpoint& files, const bert::text::tokenizer& tokenizer)
      : why_new(why_no_choice(s, files)),
        settings_(&s),
        train_(bert::data::choices_jsonl(s.train, tokenizer, longest(s))),
        dev_(bert::data::choices_jsonl(s.dev, tokenizer, longest(s))) {
    std::cout << "train " << train_.size() << " questions, dev " << dev_.size() << '\n';
    support::tell_about(s.train, train_, longest(s), std::cout);
    support::tell_about(s.dev, dev_, longest(s), std::cout);
  }

  [[nodiscard]] auto batches() const { return train_.batches(settings_->batch, drawn(*settings_)); }
  [[nodiscard]] static bert::objectives::choice objective() { return {}; }
  [[nodiscard]] std::uint64_t train_tokens() const { return train_.tokens(); }

  template <class E>
  [[nodiscard]] auto evaluate(const model_type& model, const E& threads) const {
    return bert::evaluate(model, dev_.batches(settings_->batch, {.order = bert::data::order::sequential}), threads);
  }
  static std::string table(const bert::metrics::choice_report& report) { return bert::cat(report); }

  template <class E>
  void sections(html::page&, const bert::metrics::choice_report&, const model_type&, const bert::text::tokenizer&,
                const E&) const {}

  std::vector<std::string> names;
  std::string why_new;

 private:
  static int longest(const settings& s) { return std::min(s.columns.max_tokens, A::positions); }
  static std::string why_no_choice(const settings& s, const bert::checkpoint& files) {
    std::string why = why_no_head<model_type>(s, files);
    if (!why.empty()) return why;
    try {
      (void)files.label_names<model_type>();  // throws for a classifier of another kind
    } catch (const bert::error& e) {
      why = bert::cat("that of the folder is of another kind (", e.what(), ')');
    }
    return why;
  }

  const settings* settings_;
  bert::data::choice_set train_, dev_;
};

}  // namespace

void choice(const settings& s, const bert::checkpoint& files) { train<choosing>(s, files); }

}  // namespace finetune
