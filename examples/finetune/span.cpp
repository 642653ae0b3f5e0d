// finetune --task span: answers from passages, from files in the format of SQuAD.
#include "bert/heads/span.hpp"

#include <cmath>

#include "bert/data/squad.hpp"
#include "bert/evaluation/evaluate_answers.hpp"
#include "bert/objectives/span.hpp"
#include "finetune/training.hpp"

namespace finetune {

namespace {

template <class A>
class answering {
 public:
  using head = bert::heads::span;
  using model_type = bert::model<A, head>;
  static constexpr const char* part = "answer head";
  static constexpr logits_of logits = logits_of::none;

  answering(const settings& s, const bert::checkpoint& files, const bert::text::tokenizer& tokenizer)
      : why_new(why_no_head<model_type>(s, files)),
        settings_(&s),
        options_{.max_tokens = static_cast<std::size_t>(std::min(s.columns.max_tokens, A::positions)),
                 .step = s.step == 0 ? std::nullopt : std::optional(s.step),
                 .max_question = s.max_question},
        train_(bert::data::squad(bert::path_from(s.train), tokenizer, options_)),
        dev_(bert::data::squad(bert::path_from(s.dev), tokenizer, options_)) {
    std::cout << "train " << train_.size() << " questions in " << train_.windows() << " windows, dev " << dev_.size() << " in "
              << dev_.windows() << '\n';
    for (const auto* set : {&train_, &dev_}) {
      const auto& path = set == &train_ ? s.train : s.dev;
      support::tell(set->notes(), std::cout);
      if (set->truncated() != 0)
        std::cout << "note: " << path << ": " << set->truncated() << " questions cut to " << s.max_question
                  << " tokens; --max-question changes that\n";
      support::tell_unknown(path, *set, std::cout);
    }
  }

  [[nodiscard]] auto batches() const { return train_.batches(settings_->batch, drawn(*settings_)); }
  [[nodiscard]] static bert::objectives::span objective() { return {}; }
  [[nodiscard]] std::uint64_t train_tokens() const {
    std::uint64_t tokens = 0;
    for (std::size_t q = 0; q < train_.size(); ++q)
      for (const auto& window : train_.windows(q)) tokens += train_[q].ids.size() + (window.last - window.first) + 3;
    return tokens;
  }

  template <class E>
  [[nodiscard]] auto evaluate(const model_type& model, const E& threads) const {
    return bert::evaluate(model, dev_, {}, threads);
  }
  static std::string table(const bert::squad_report& report) { return bert::cat(report); }

  template <class E>
  void sections(html::page& page, const bert::squad_report& report, const model_type&, const bert::text::tokenizer&,
                const E&) const {
    std::vector<std::size_t> order(dev_.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      const auto wrong = [&](std::size_t i) { return std::pair(report.raw(i).f1, -report.predictions[i].answer.score); };
      return wrong(a) < wrong(b);
    });
    std::string body = "<table><tr><th>question<th>answer<th>found<th>confidence<th>F1</tr>";
    for (std::size_t i = 0; i < std::min<std::size_t>(order.size(), 30); ++i) {
      const auto& found = report.predictions[order[i]];
      const auto& golds = dev_[order[i]].answers;
      body += "<tr><td>" + html::escaped(dev_[order[i]].text) + "<td>" +
              html::escaped(golds.empty() ? "(none)" : golds.front()) + "<td>" +
              html::escaped(found.answer.text.empty() ? "(none)" : found.answer.text) +
              html::print("<td>%.3f<td>%.2f</tr>", static_cast<double>(found.answer.score), report.raw(order[i]).f1);
    }
    page.section("Worst answers", "Of " + settings_->dev + ", the surest first of equal F1.", body + "</table>");
  }

  /// The threshold of the best F1, if questions may have no answer.
  [[nodiscard]] bert::decoding_settings decoding(const bert::squad_report& report) const {
    if (report.rules() != bert::metrics::answer_rules::squad2) return {};
    const double tuned = report.tuned_threshold();
    if (!std::isfinite(tuned)) return {};
    std::cout << "threshold for no answer of the best F1 on " << settings_->dev << ", kept with the model: " << tuned << '\n';
    return {.no_answer = tuned};
  }

  std::vector<std::string> names;
  std::string why_new;

 private:
  const settings* settings_;
  bert::data::squad_options options_;
  bert::data::squad_set train_, dev_;
};

}  // namespace

void span(const settings& s, const bert::checkpoint& files) { train<answering>(s, files); }

}  // namespace finetune
