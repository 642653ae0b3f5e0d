// finetune --task rerank: a score of a query and a text, by which the texts of a query are ordered.
#include <algorithm>

#include "bert/data/rankings.hpp"
#include "bert/evaluation/evaluate_rankings.hpp"
#include "bert/heads/classify.hpp"
#include "bert/heads/regress.hpp"
#include "bert/labels/dynamic_set.hpp"
#include "bert/objectives/binary_cross_entropy.hpp"
#include "bert/objectives/list_softmax.hpp"
#include "bert/objectives/margin_mse.hpp"
#include "bert/objectives/mean_squared_error.hpp"
#include "finetune/losses.hpp"
#include "finetune/training.hpp"

namespace finetune {

namespace {

namespace losses = bert::objectives;
using ranking_loss =
    any_loss<losses::binary_cross_entropy, losses::list_softmax, losses::margin_mse, losses::mean_squared_error>;

template <class A>
class reranking : public set_task<bert::data::ranking_set> {
 public:
  using head = bert::heads::regress;
  using model_type = bert::model<A, head>;
  static constexpr const char* part = "reranking head";
  static constexpr logits_of logits = logits_of::none;

  reranking(const settings& s, const bert::checkpoint& files, const bert::text::tokenizer& tokenizer)
      : set_task(s, two_classes(s, files) ? std::string() : why_no_regression<model_type>(s, files),
                 [&](const std::string& path, const bert::data::as_read&) {
                   auto set = bert::data::rankings(bert::path_from(path), tokenizer,
                                                   support::ranking_options(options_of<A>(s), s.group_column, s.score_range));
                   check(s, path, set);
                   return set;
                 }) {
    tell("queries", options_of<A>(s).max_tokens);
    if (!two_classes(s, files)) return;
    const auto classes = files.label_names<classifier>();
    std::cout << "a text's score begins as the logit of \"" << classes[1] << "\" less that of \"" << classes[0]
              << "\", the two labels of " << s.model << '\n';
  }

  /// The folder's model. Of a classifier of two classes the head is the difference of its rows: the same order of texts.
  [[nodiscard]] model_type load(const bert::checkpoint& files) const {
    if (!two_classes(*settings_, files)) return files.load<model_type>();
    const auto two = files.load<classifier>();
    auto one = two.template with_head<head>({});
    const auto rows = two.values("classifier.weight"), biases = two.values("classifier.bias");
    constexpr std::size_t first = model_type::template first_of_head<0>;
    const auto row = one.values(one.table()[first]), bias = one.values(one.table()[first + 1]);
    for (std::size_t i = 0; i < row.size(); ++i) row[i] = rows[row.size() + i] - rows[i];
    bias[0] = biases[1] - biases[0];
    return one;
  }

  [[nodiscard]] ranking_loss objective() const {
    const auto& name = settings_->loss;
    if (name == "list_softmax") return {name, losses::list_softmax{}};
    if (name == "margin_mse") return {name, losses::margin_mse{}};
    if (name == "mean_squared_error") return {name, losses::mean_squared_error{}};
    return {"binary_cross_entropy", losses::binary_cross_entropy{}};
  }
  template <class E>
  [[nodiscard]] auto evaluate(const model_type& model, const E& threads) const {
    return bert::evaluate_rankings(model, dev_.batches(settings_->batch, {.order = bert::data::order::sequential}), objective(),
                                   {.relevant = settings_->relevant}, threads);
  }
  [[nodiscard]] static bert::decoding_settings decoding(const bert::metrics::reranking_report&) { return {.task = "rerank"}; }

  template <class E>
  void sections(html::page& page, const bert::metrics::reranking_report& report, const model_type&,
                const bert::text::tokenizer&, const E&) const {
    page.section("Scores", "A dot a text: its relevance, and upward its score.",
                 html::scatter(report.relevances(), report.scores(), "relevance; upward: score"), html::page::size::half);
  }

 private:
  using classifier = bert::model<A, bert::heads::classify<bert::labels::dynamic_set>>;

  /// Whether the folder has a classifier of two classes, by the pooler.
  static bool two_classes(const settings& s, const bert::checkpoint& files) {
    return why_no_classifier<classifier>(s, files).empty() && files.label_names<classifier>().size() == 2;
  }
  /// Refuses at once what the loss would refuse in a step.
  static void check(const settings& s, const std::string& path, const bert::data::ranking_set& set) {
    if (s.loss == "margin_mse" && set.grouped() != set.size())
      throw bert::error({path, "two texts or more of each query, as --loss margin_mse compares them",
                         bert::cat(set.size() - set.grouped(), " queries of one text"), "remove these, or take another loss"});
    if (!s.loss.empty() && s.loss != "binary_cross_entropy") return;
    const auto batches = set.batches(1, {.order = bert::data::order::sequential});
    bert::training_batch batch;
    for (std::uint64_t i = 0; i < batches.batches_per_epoch(); ++i) {
      batches.load(i, batch);
      for (const float x : batch.values)
        if (!(x >= 0 && x <= 1))
          throw bert::error({path, "scores of 0 to 1, as --loss binary_cross_entropy asks", bert::cat(x),
                             "divide them by --score-range, or take another loss"});
    }
  }
};

}  // namespace

void rerank(const settings& s, const bert::checkpoint& files) { train<reranking>(s, files); }

}  // namespace finetune
