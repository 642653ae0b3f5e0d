// finetune --task regress: a number of a text or a pair.
#include "bert/heads/regress.hpp"

#include "bert/data/tsv.hpp"
#include "bert/objectives/huber.hpp"
#include "bert/objectives/mean_absolute_error.hpp"
#include "bert/objectives/mean_squared_error.hpp"
#include "finetune/losses.hpp"
#include "finetune/training.hpp"

namespace finetune {

namespace {

using numbers = bert::data::labeled_set<bert::labels::number>;
using number_loss =
    any_loss<bert::objectives::mean_squared_error, bert::objectives::mean_absolute_error, bert::objectives::huber>;

template <class A>
class regression : public set_task<numbers> {
 public:
  using head = bert::heads::regress;
  using model_type = bert::model<A, head>;
  static constexpr const char* part = "regression head";
  static constexpr logits_of logits = logits_of::numbers;

  regression(const settings& s, const bert::checkpoint& files, const bert::text::tokenizer& tokenizer)
      : set_task(s, why_no_regression<model_type>(s, files), [&](const std::string& path, auto&& augment) {
          return bert::data::tsv<bert::labels::number>(bert::path_from(path), tokenizer, options_of<A>(s), augment);
        }) {
    tell("examples", options_of<A>(s).max_tokens);
  }

  [[nodiscard]] number_loss objective() const {
    const auto& name = settings_->loss;
    if (name == "mean_absolute_error") return {name, bert::objectives::mean_absolute_error{}};
    if (name == "huber") return {name, bert::objectives::huber{}};
    return {"mean_squared_error", bert::objectives::mean_squared_error{}};
  }
  template <class E>
  void sections(html::page& page, const bert::metrics::regression_report& report, const model_type&,
                const bert::text::tokenizer&, const E&) const {
    page.section("Predictions", "A dot an example: its number, and upward the predicted one.",
                 html::scatter(report.expected(), report.predicted(), "expected; upward: predicted"), html::page::size::half);
  }
};

}  // namespace

void regress(const settings& s, const bert::checkpoint& files) { train<regression>(s, files); }

}  // namespace finetune
