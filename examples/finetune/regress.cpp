// finetune --task regress: a number of a text or a pair.
#include "bert/heads/regress.hpp"

#include "bert/data/tsv.hpp"
#include "bert/objectives/mean_squared_error.hpp"
#include "finetune/training.hpp"

namespace finetune {

namespace {

using numbers = bert::data::labeled_set<bert::labels::number>;

template <class A>
class regression : public set_task<numbers> {
 public:
  using head = bert::heads::regress;
  using model_type = bert::model<A, head>;
  static constexpr const char* part = "regression head";
  static constexpr logits_of logits = logits_of::numbers;

  regression(const settings& s, const bert::checkpoint& files, const bert::text::tokenizer& tokenizer)
      : set_task(s, why_no_regression(s, files), [&](const std::string& path, auto&& augment) {
          return bert::data::tsv<bert::labels::number>(path, tokenizer, options_of<A>(s), augment);
        }) {
    tell("examples", options_of<A>(s).max_tokens);
  }

  [[nodiscard]] static bert::objectives::mean_squared_error objective() { return {}; }
  template <class E>
  void sections(html::page& page, const bert::metrics::regression_report& report, const model_type&,
                const bert::text::tokenizer&, const E&) const {
    page.section("Predictions", "A dot an example: its number, and upward the predicted one.",
                 html::scatter(report.expected(), report.predicted(), "expected; upward: predicted"), html::page::size::half);
  }

 private:
  static std::string why_no_regression(const settings& s, const bert::checkpoint& files) {
    std::string why = why_no_classifier<model_type>(s, files);
    const std::size_t labels = files.config().labels.size();
    if (why.empty() && labels != 1 && files.config().problem_type != "regression")
      why = bert::cat("that of ", s.model, " is for ", labels, " labels");
    return why;
  }
};

}  // namespace

void regress(const settings& s, const bert::checkpoint& files) { train<regression>(s, files); }

}  // namespace finetune
