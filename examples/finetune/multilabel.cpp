// finetune --task multilabel: any number of labels of a text.
#include "bert/data/class_weights.hpp"
#include "bert/data/tsv_many.hpp"
#include "bert/heads/classify_many.hpp"
#include "bert/objectives/binary_cross_entropy.hpp"
#include "finetune/training.hpp"

namespace finetune {

namespace {

template <class A>
class many_labels {
 public:
  using head = bert::heads::classify_many<bert::labels::dynamic_set>;
  using model_type = bert::model<A, head>;
  static constexpr const char* part = "classifier";

  many_labels(const settings& s, const bert::checkpoint& files, const bert::text::tokenizer& tokenizer)
      : settings_(&s),
        options_(options(s)),
        chosen_(choose_labels<model_type>(s, files, bert::data::tsv_many_labels(s.train, options_), part)),
        train_(bert::data::tsv_many(s.train, tokenizer, chosen_.names, options_)),
        dev_(bert::data::tsv_many(s.dev, tokenizer, chosen_.names, options_)),
        names(chosen_.names.names()),
        why_new(chosen_.why_new) {
    std::cout << "train " << train_.size() << " examples, dev " << dev_.size() << ", labels "
              << bert::labels::listed(train_.names()) << '\n';
    support::tell_about(s.train, train_, options_.max_tokens, std::cout);
    support::tell_about(s.dev, dev_, options_.max_tokens, std::cout);
  }

  [[nodiscard]] auto batches() const { return train_.batches(settings_->batch, drawn(*settings_)); }
  [[nodiscard]] bert::objectives::binary_cross_entropy objective() const {
    bert::objectives::binary_cross_entropy loss;
    if (settings_->class_weights == "balanced") loss.positive_weights = bert::data::positive_weights(train_);
    return loss;
  }
  [[nodiscard]] std::uint64_t train_tokens() const { return train_.tokens(); }

  template <class E>
  [[nodiscard]] auto evaluate(const model_type& model, const E& threads) const {
    return bert::evaluate(model, dev_.batches(settings_->batch, {.order = bert::data::order::sequential}), threads);
  }
  template <class Report>
  static std::string table(const Report& report) {
    return bert::cat(report);
  }

  template <class Report, class E>
  void sections(html::page& page, const Report& report, const model_type&, const bert::text::tokenizer&, const E&) const {
    page.section("Labels", "With the threshold 0.5.", "<pre>" + html::escaped(bert::cat(report)) + "</pre>");
  }

 private:
  static bert::data::tsv_many_options options(const settings& s) {
    const auto o = options_of<A>(s);
    bert::data::tsv_many_options many;
    many.text_column = o.text_column;
    many.second_column = o.second_column;
    many.labels_column = o.label_column;
    many.header = o.header;
    many.max_tokens = o.max_tokens;
    many.format = o.format;
    many.uneven = o.uneven;
    return many;
  }

  const settings* settings_;
  bert::data::tsv_many_options options_;
  chosen_labels chosen_;
  bert::data::many_set<bert::labels::dynamic_set> train_, dev_;

 public:
  std::vector<std::string> names;
  std::string why_new;
};

}  // namespace

void multilabel(const settings& s, const bert::checkpoint& files) { train<many_labels>(s, files); }

}  // namespace finetune
