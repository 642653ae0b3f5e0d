// Engines of fine-tuned models, at one level: bert::pipeline behind the interface.
#include "tasks.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "bert/heads/classify.hpp"
#include "bert/heads/classify_many.hpp"
#include "bert/heads/crf.hpp"
#include "bert/heads/regress.hpp"
#include "bert/heads/span.hpp"
#include "bert/heads/tag.hpp"
#include "bert/labels/dynamic_set.hpp"
#include "bert/pipeline/crf_tagging.hpp"
#include "bert/pipeline/pipeline.hpp"
#include "precompiled_models.hpp"

namespace bert::precompiled {
namespace {

using any_labels = labels::dynamic_set;

/// `Does` and the functions of an engine that a pipeline with this head has.
template <class A, class Head, class Precision, task Does>
class task_engine final : public engine {
 public:
  task_engine(std::string_view name, const checkpoint& files, const options& o)
      : engine(name, static_cast<std::size_t>(A::hidden)),
        run_(o.threads),
        pipeline_(pipeline_type::open(files.folder(), options_for(o), run_)) {
    if constexpr (!std::is_same_v<Head, heads::regress> && Does != task::answer) labels_ = files.label_names<model_type>();
  }

  [[nodiscard]] task does() const noexcept override { return Does; }
  [[nodiscard]] std::span<const std::string> labels() const noexcept override { return labels_; }

  [[nodiscard]] rows classify(std::span<const std::string_view> texts,
                              std::span<const std::string_view> seconds) const override {
    if constexpr (Does == task::classify) {
      if (!seconds.empty() && seconds.size() != texts.size())
        throw error(
            {"bert::precompiled::reader::classify", cat(texts.size(), " second texts, or none"), cat(seconds.size()), {}});
      rows out(texts.size(), std::max<std::size_t>(1, labels_.size()));
      const auto keep = [&](std::size_t i, const auto& result) {
        if constexpr (std::is_same_v<Head, heads::regress>) out[i][0] = result;
        else std::copy_n(result.probabilities.begin(), std::min(out.width(), result.probabilities.size()), out[i].begin());
      };
      if (seconds.empty()) {
        const auto results = pipeline_(texts, run_);
        for (std::size_t i = 0; i < texts.size(); ++i) keep(i, results[i]);
      } else {
        for (std::size_t i = 0; i < texts.size(); ++i) keep(i, pipeline_(texts[i], seconds[i]));
      }
      return out;
    } else {
      return engine::classify(texts, seconds);
    }
  }
  [[nodiscard]] std::vector<std::vector<entity>> tag(std::span<const std::string_view> texts) const override {
    if constexpr (Does == task::tag) {
      std::vector<std::vector<entity>> out;
      for (const auto& tagged : pipeline_(texts, run_)) {
        auto& found = out.emplace_back();
        for (const auto& e : tagged) found.push_back({e.type, e.score, e.bytes.first, e.bytes.last});
      }
      return out;
    } else {
      return engine::tag(texts);
    }
  }
  [[nodiscard]] precompiled::answer answer(std::string_view question, std::string_view passage) const override {
    if constexpr (Does == task::answer) {
      const auto found = pipeline_({.question = question, .context = passage});
      return {found.text, found.score, found.start, found.end};
    } else {
      return engine::answer(question, passage);
    }
  }

 private:
  using model_type = bert::model<A, Head>;
  using pipeline_type = bert::pipeline<model_type, Precision>;

  /// Half of a short sequence is left for the passage.
  static pipeline_options options_for(const options& o) {
    pipeline_options out{.max_tokens = o.max_tokens};
    const std::size_t longest = o.max_tokens == 0 ? std::size_t{A::positions} : o.max_tokens;
    out.answers.max_question = std::min(out.answers.max_question, longest / 2 - std::min<std::size_t>(longest / 2, 2));
    return out;
  }

  execution::threads run_;
  pipeline_type pipeline_;
  std::vector<std::string> labels_;
};

template <class Head, task Does>
std::unique_ptr<engine> open_with(const checkpoint& files, const options& o) {
  std::unique_ptr<engine> made;
  models::by_config(files.config(), [&]<class A>(std::type_identity<A>) {
    with_precision(o.precision, [&]<class Precision>(std::type_identity<Precision>) {
      made = std::make_unique<task_engine<A, Head, Precision, Does>>(model_name<A>, files, o);
    });
  });
  return made;
}

std::unique_ptr<engine> open_tagger(const checkpoint& files, const options& o) {
  bool crf = false;
  models::by_config(files.config(),
                    [&]<class A>(std::type_identity<A>) { crf = files.holds<bert::model<A, heads::crf<any_labels>>>(); });
  return crf ? open_with<heads::crf<any_labels>, task::tag>(files, o) : open_with<heads::tag<any_labels>, task::tag>(files, o);
}

}  // namespace

std::unique_ptr<engine> open_task(const checkpoint& files, const options& o) {
  const auto& config = files.config();
  const auto is = [&](const char* name) { return std::ranges::find(config.architectures, name) != config.architectures.end(); };
  [[maybe_unused]] const auto missing = [&](const char* what) {
    return error(
        {config.where, std::string("a model of a task that is compiled in"), what, "add it to BERT_PRECOMPILED_TASKS"});
  };
  if (is("BertForSequenceClassification")) {
#if BERT_PRECOMPILED_CLASSIFY
    if (config.problem_type == "multi_label_classification")
      return open_with<heads::classify_many<any_labels>, task::classify>(files, o);
    if (config.labels.size() == 1 || config.problem_type == "regression")
      return open_with<heads::regress, task::classify>(files, o);
    return open_with<heads::classify<any_labels>, task::classify>(files, o);
#else
    throw missing("a classifier");
#endif
  }
  if (is("BertForTokenClassification")) {
#if BERT_PRECOMPILED_TAG
    return open_tagger(files, o);
#else
    throw missing("a tagger");
#endif
  }
  if (is("BertForQuestionAnswering")) {
#if BERT_PRECOMPILED_ANSWER
    return open_with<heads::span, task::answer>(files, o);
#else
    throw missing("a model that finds answers");
#endif
  }
  return nullptr;
}

}  // namespace bert::precompiled
