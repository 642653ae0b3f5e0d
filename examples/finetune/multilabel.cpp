// finetune --task multilabel: any number of labels of a text.
#include "bert/data/class_weights.hpp"
#include "bert/data/tsv_many.hpp"
#include "bert/heads/classify_many.hpp"
#include "bert/objectives/binary_cross_entropy.hpp"
#include "finetune/training.hpp"

namespace finetune {

namespace {

using many = bert::data::many_set<bert::labels::dynamic_set>;

template <class A>
class many_labels : public set_task<many> {
 public:
  using head = bert::heads::classify_many<bert::labels::dynamic_set>;
  using model_type = bert::model<A, head>;
  static constexpr const char* part = "classifier";
  static constexpr logits_of logits = logits_of::numbers;

  many_labels(const settings& s, const bert::checkpoint& files, const bert::text::tokenizer& tokenizer)
      : many_labels(s, tokenizer, support::many_options(options_of<A>(s)),
                    choose_labels<model_type>(
                        s, files,
                        bert::data::tsv_many_labels(bert::path_from(s.train), support::many_options(options_of<A>(s))), part)) {
  }

  [[nodiscard]] bert::objectives::binary_cross_entropy objective() const {
    bert::objectives::binary_cross_entropy loss;
    if (settings_->class_weights == "balanced") loss.positive_weights = bert::data::positive_weights(train_);
    return loss;
  }
  template <class Report, class E>
  void sections(html::page& page, const Report& report, const model_type&, const bert::text::tokenizer&, const E&) const {
    page.section("Labels", "With the threshold 0.5.", "<pre>" + html::escaped(bert::cat(report)) + "</pre>");
    page.section("Labels by tuned thresholds", "With those that are kept with the model, of the best F1 of each label here.",
                 "<pre>" + html::escaped(bert::cat(report.at(report.tuned_thresholds()))) + "</pre>");
  }
  /// The threshold of the best F1 of each label.
  template <class Report>
  [[nodiscard]] bert::decoding_settings decoding(const Report& report) const {
    const auto tuned = report.tuned_thresholds();
    std::cout << "thresholds of the best F1 of each label on " << settings_->dev
              << ", kept with the model: " << report.at(tuned).line() << '\n';
    return {.thresholds = tuned};
  }

 private:
  many_labels(const settings& s, const bert::text::tokenizer& tokenizer, const bert::data::tsv_many_options& options,
              const chosen_labels& chosen)
      : set_task(s, chosen, [&](const std::string& path, auto&& augment) {
          return bert::data::tsv_many(bert::path_from(path), tokenizer, chosen.names, options, augment);
        }) {
    tell("examples", options.max_tokens);
  }
};

}  // namespace

void multilabel(const settings& s, const bert::checkpoint& files) { train<many_labels>(s, files); }

}  // namespace finetune
