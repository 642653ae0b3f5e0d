// finetune --task regress: a number of a text or a pair.
#include "bert/heads/regress.hpp"

#include "bert/data/tsv.hpp"
#include "bert/objectives/mean_squared_error.hpp"
#include "finetune/training.hpp"

namespace finetune {

namespace {

template <class A>
class regression {
 public:
  using head = bert::heads::regress;
  using model_type = bert::model<A, head>;
  static constexpr const char* part = "regression head";

  regression(const settings& s, const bert::checkpoint& files, const bert::text::tokenizer& tokenizer)
      : why_new(why_no_regression(s, files)),
        settings_(&s),
        options_(options_of<A>(s)),
        train_(bert::data::tsv<bert::labels::number>(s.train, tokenizer, options_)),
        dev_(bert::data::tsv<bert::labels::number>(s.dev, tokenizer, options_)) {
    std::cout << "train " << train_.size() << " examples, dev " << dev_.size() << '\n';
    support::tell_about(s.train, train_, options_.max_tokens, std::cout);
    support::tell_about(s.dev, dev_, options_.max_tokens, std::cout);
  }

  [[nodiscard]] auto batches() const { return train_.batches(settings_->batch, drawn(*settings_)); }
  [[nodiscard]] static bert::objectives::mean_squared_error objective() { return {}; }
  [[nodiscard]] std::uint64_t train_tokens() const { return train_.tokens(); }

  template <class E>
  [[nodiscard]] auto evaluate(const model_type& model, const E& threads) const {
    return bert::evaluate(model, dev_.batches(settings_->batch, {.order = bert::data::order::sequential}), threads);
  }
  static std::string table(const bert::metrics::regression_report& report) { return bert::cat(report); }

  template <class E>
  void sections(html::page& page, const bert::metrics::regression_report& report, const model_type&,
                const bert::text::tokenizer&, const E&) const {
    page.section("Predictions", "A dot an example: its number, and upward the predicted one.",
                 html::scatter(report.expected(), report.predicted(), "expected; upward: predicted"), html::page::size::half);
  }

  std::vector<std::string> names;
  std::string why_new;

 private:
  static std::string why_no_regression(const settings& s, const bert::checkpoint& files) {
    std::string why = why_no_head<model_type>(s, files);
    if (!why.empty()) return why;
    try {
      (void)files.label_names<model_type>();  // throws for a head of another kind
      const std::size_t labels = files.config().labels.size();
      if (labels != 1 && files.config().problem_type != "regression")
        return bert::cat("that of ", s.model, " is for ", labels, " labels");
    } catch (const bert::error& e) {
      why = bert::cat("that of the folder is of another kind (", e.what(), ')');
    }
    return why;
  }

  const settings* settings_;
  bert::data::tsv_options options_;
  bert::data::labeled_set<bert::labels::number> train_, dev_;
};

}  // namespace

void regress(const settings& s, const bert::checkpoint& files) { train<regression>(s, files); }

}  // namespace finetune
