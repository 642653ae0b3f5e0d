// finetune --task choice: the right one of several choices, from lines of JSON.
#include "bert/heads/choice.hpp"

#include "bert/data/choices.hpp"
#include "bert/objectives/choice.hpp"
#include "finetune/training.hpp"

namespace finetune {

namespace {

template <class A>
class choosing : public set_task<bert::data::choice_set> {
 public:
  using head = bert::heads::choice;
  using model_type = bert::model<A, head>;
  static constexpr const char* part = "choice head";
  static constexpr logits_of logits = logits_of::none;

  choosing(const settings& s, const bert::checkpoint& files, const bert::text::tokenizer& tokenizer)
      : set_task(s, why_no_classifier<model_type>(s, files), [&](const std::string& path, const bert::data::as_read&) {
          return bert::data::choices_jsonl(bert::path_from(path), tokenizer, longest(s));
        }) {
    tell("questions", longest(s));
  }

  [[nodiscard]] static bert::objectives::choice objective() { return {}; }
  template <class E>
  void sections(html::page&, const bert::metrics::choice_report&, const model_type&, const bert::text::tokenizer&,
                const E&) const {}

 private:
  static int longest(const settings& s) { return std::min(s.columns.max_tokens, A::positions); }
};

}  // namespace

void choice(const settings& s, const bert::checkpoint& files) { train<choosing>(s, files); }

}  // namespace finetune
