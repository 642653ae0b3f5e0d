// finetune --task classify: one class of a text or a pair.
#include "bert/heads/classify.hpp"

#include "bert/data/class_weights.hpp"
#include "bert/data/tsv.hpp"
#include "bert/objectives/cross_entropy.hpp"
#include "finetune/sections.hpp"
#include "finetune/training.hpp"

namespace finetune {

namespace {

using classes = bert::data::labeled_set<bert::labels::dynamic_set>;

template <class A, class Reads>
class classification : public set_task<classes> {
 public:
  using head = bert::heads::classify<bert::labels::dynamic_set, Reads>;
  using model_type = bert::model<A, head>;
  static constexpr const char* part = "classifier";
  static constexpr logits_of logits = logits_of::classes;

  classification(const settings& s, const bert::checkpoint& files, const bert::text::tokenizer& tokenizer)
      : classification(
            s, tokenizer, options_of<A>(s),
            choose_labels<model_type>(s, files, bert::data::tsv_labels(bert::path_from(s.train), options_of<A>(s)), part)) {}

  [[nodiscard]] bert::objectives::cross_entropy objective() const {
    bert::objectives::cross_entropy loss{.label_smoothing = settings_->label_smoothing, .gamma = settings_->focal};
    if (settings_->class_weights == "balanced") loss.class_weights = bert::data::balanced_weights(train_);
    return loss;
  }
  template <class Report>
  [[nodiscard]] static std::string table(const Report& report) {
    return report.table();
  }
  template <class Report, class E>
  void sections(html::page& page, const Report& report, const model_type& model, const bert::text::tokenizer& tokenizer,
                const E& threads) const {
    confusion_section(page, report);
    calibration_section(page, report.calibration());
    worst_examples_section(page, settings_->dev, options_, model, tokenizer, threads);
  }

 private:
  classification(const settings& s, const bert::text::tokenizer& tokenizer, const bert::data::tsv_options& options,
                 const chosen_labels& chosen)
      : set_task(s, chosen,
                 [&](const std::string& path, auto&& augment) {
                   return bert::data::tsv(bert::path_from(path), tokenizer, chosen.names, options, augment);
                 }),
        options_(options) {
    tell("examples", options.max_tokens);
  }

  bert::data::tsv_options options_;
};

namespace reads = bert::heads::reads;

// Names that no other file has: g++ 12 gives train<by_cls> of two files one symbol, though by_cls is in a namespace without
// name.
template <class A>
using classes_by_pooler = classification<A, reads::pooler>;
template <class A>
using classes_by_cls = classification<A, reads::first_token>;
template <class A>
using classes_by_mean = classification<A, reads::mean>;

}  // namespace

void classify(const settings& s, const bert::checkpoint& files) {
  const std::string& folder = files.config().classifier_pooling;
  const std::string pooling = !s.pooling.empty() ? s.pooling : folder.empty() ? "pooler" : folder;
  if (pooling == reads::first_token::pooling) train<classes_by_cls>(s, files);
  else if (pooling == reads::mean::pooling) train<classes_by_mean>(s, files);
  else train<classes_by_pooler>(s, files);
}

}  // namespace finetune
