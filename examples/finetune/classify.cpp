// finetune --task classify: one class of a text or a pair.
#include "bert/heads/classify.hpp"

#include "bert/data/class_weights.hpp"
#include "bert/data/tsv.hpp"
#include "bert/objectives/cross_entropy.hpp"
#include "finetune/sections.hpp"
#include "finetune/training.hpp"

namespace finetune {

namespace {

template <class A>
class classification {
 public:
  using head = bert::heads::classify<bert::labels::dynamic_set>;
  using model_type = bert::model<A, head>;
  static constexpr const char* part = "classifier";

  classification(const settings& s, const bert::checkpoint& files, const bert::text::tokenizer& tokenizer)
      : settings_(&s),
        options_(options_of<A>(s)),
        chosen_(choose_labels<model_type>(s, files, bert::data::tsv_labels(s.train, options_), part)),
        train_(bert::data::tsv(s.train, tokenizer, chosen_.names, options_)),
        dev_(bert::data::tsv(s.dev, tokenizer, chosen_.names, options_)),
        names(chosen_.names.names()),
        why_new(chosen_.why_new) {
    std::cout << "train " << train_.size() << " examples, dev " << dev_.size() << ", labels "
              << bert::labels::listed(train_.names()) << '\n';
    support::tell_about(s.train, train_, options_.max_tokens, std::cout);
    support::tell_about(s.dev, dev_, options_.max_tokens, std::cout);
  }

  [[nodiscard]] auto batches() const { return train_.batches(settings_->batch, drawn(*settings_)); }
  [[nodiscard]] bert::objectives::cross_entropy objective() const {
    bert::objectives::cross_entropy loss{.label_smoothing = settings_->label_smoothing, .gamma = settings_->focal};
    if (settings_->class_weights == "balanced") loss.class_weights = bert::data::balanced_weights(train_);
    return loss;
  }
  [[nodiscard]] std::uint64_t train_tokens() const { return train_.tokens(); }

  template <class E>
  [[nodiscard]] auto evaluate(const model_type& model, const E& threads) const {
    return bert::evaluate(model, dev_.batches(settings_->batch, {.order = bert::data::order::sequential}), threads);
  }
  template <class Report>
  [[nodiscard]] static std::string table(const Report& report) {
    return report.table();
  }

  template <class Report, class E>
  void sections(html::page& page, const Report& report, const model_type& model, const bert::text::tokenizer& tokenizer,
                const E& threads) const {
    confusion_section(page, report);
    predictions_sections(page, settings_->dev, options_, model, tokenizer, threads);
  }

 private:
  const settings* settings_;
  bert::data::tsv_options options_;
  chosen_labels chosen_;
  bert::data::labeled_set<bert::labels::dynamic_set> train_, dev_;

 public:
  std::vector<std::string> names;
  std::string why_new;
};

}  // namespace

void classify(const settings& s, const bert::checkpoint& files) { train<classification>(s, files); }

}  // namespace finetune
