// predict: classes, labels, choices, numbers, ranks, and pieces for each [MASK].
#include "architectures.hpp"
#include "bert/heads/choice.hpp"
#include "bert/heads/classify_many.hpp"
#include "bert/heads/masked_lm.hpp"
#include "bert/heads/regress.hpp"
#include "bert/labels/dynamic_set.hpp"
#include "bert/pipeline/pipeline.hpp"
#include "precisions.hpp"
#include "predict/settings.hpp"
#include "readings.hpp"

namespace predict {

namespace {

/// Opens the folder with the head and answers each line by `tell(result)`.
template <class Head, class Tell>
void answer_lines(const settings& s, const bert::checkpoint& files, const Tell& tell) {
  const auto threads = support::start_threads(s.threads);
  compiled::by_config(files.config(), [&]<class A>(std::type_identity<A>) {
    precisions::by_name(s.precision, [&]<class P>(std::type_identity<P>) {
      using model_type = bert::model<A, Head>;
      support::tell(files.notes<model_type>());
      const auto run = bert::pipeline<model_type, P>::open(
          bert::path_from(s.model), {.max_tokens = s.max_tokens, .top = s.top, .stride = s.stride, .thresholds = s.thresholds},
          threads);
      cut_lines cut(s, files, A::positions);
      each_line(s, s.pair ? line_form::pair : line_form::text, [&](const std::vector<input>& inputs) {
        cut.count(inputs);
        std::vector<bert::io::json> out;
        for (const auto& result : answers_of(run, inputs, threads)) out.push_back(tell(result));
        return out;
      });
      cut.tell();
    });
  });
}

/// Opens the folder with the head and ranks the texts of each query.
template <class Head>
void rank_lines(const settings& s, const bert::checkpoint& files) {
  const auto threads = support::start_threads(s.threads);
  compiled::by_config(files.config(), [&]<class A>(std::type_identity<A>) {
    precisions::by_name(s.precision, [&]<class P>(std::type_identity<P>) {
      using model_type = bert::model<A, Head>;
      support::tell(files.notes<model_type>());
      auto order =
          bert::pipeline<model_type, P>::open(bert::path_from(s.model), {.max_tokens = s.max_tokens}, threads).session(threads);
      cut_lines cut(s, files, A::positions);
      each_line(s, line_form::ranked, [&](const std::vector<input>& inputs) {
        cut.count(inputs);
        std::vector<bert::io::json> out(inputs.size());
        for (std::size_t first = 0, last = 0; first < inputs.size(); first = last) {
          std::vector<std::string_view> texts;
          for (; last < inputs.size() && inputs[last].text == inputs[first].text; ++last)
            texts.emplace_back(*inputs[last].second);
          std::uint64_t rank = 0;
          for (const auto& [index, score] : order(inputs[first].text, texts)) {
            auto& told = out[first + index] = bert::io::json::object();
            told["score"] = number(score);
            told["rank"] = ++rank;
          }
        }
        return out;
      });
      cut.tell();
    });
  });
}

}  // namespace

void classes(const settings& s, const bert::checkpoint& files) {
  const auto names = files.config().labels;
  readings::by_name(files.config().classifier_pooling, [&]<class Head>(std::type_identity<Head>) {
    answer_lines<Head>(s, files, [&](const bert::classified& r) {
      auto out = bert::io::json::object(), all = bert::io::json::object();
      for (std::size_t i = 0; i < r.probabilities.size(); ++i)
        all[i < names.size() ? names[i] : "LABEL_" + std::to_string(i)] = number(r.probabilities[i]);
      out["label"] = r.label;
      out["score"] = number(r.score);
      out["probabilities"] = std::move(all);
      return out;
    });
  });
}

void labels(const settings& s, const bert::checkpoint& files) {
  const auto names = files.config().labels;
  answer_lines<bert::heads::classify_many<bert::labels::dynamic_set>>(s, files, [&](const bert::labels_found& r) {
    auto out = bert::io::json::object(), all = bert::io::json::object(), found = bert::io::json::array();
    for (std::size_t i = 0; i < r.probabilities.size(); ++i)
      all[i < names.size() ? names[i] : "LABEL_" + std::to_string(i)] = number(r.probabilities[i]);
    for (const auto& label : r) found.push_back(label.label);
    out["labels"] = std::move(found);
    out["probabilities"] = std::move(all);
    return out;
  });
}

void choices(const settings& s, const bert::checkpoint& files) {
  const auto threads = support::start_threads(s.threads);
  compiled::by_config(files.config(), [&]<class A>(std::type_identity<A>) {
    precisions::by_name(s.precision, [&]<class P>(std::type_identity<P>) {
      using model_type = bert::model<A, bert::heads::choice>;
      support::tell(files.notes<model_type>());
      const auto choose = bert::pipeline<model_type, P>::open(bert::path_from(s.model), {.max_tokens = s.max_tokens}, threads);
      cut_lines cut(s, files, A::positions);
      each_line(s, line_form::list, [&](const std::vector<input>& inputs) {
        cut.count(inputs);
        std::vector<bert::io::json> out;
        for (const auto& in : inputs) {
          std::vector<std::string_view> all{*in.second};
          all.insert(all.end(), in.more.begin(), in.more.end());
          const auto found = choose(in.text, all);
          auto& told = out.emplace_back(bert::io::json::object());
          auto probabilities = bert::io::json::array();
          for (const float p : found.probabilities) probabilities.push_back(number(p));
          told["choice"] = std::uint64_t{found.index};
          told["text"] = all[found.index];
          told["score"] = number(found.score);
          told["probabilities"] = std::move(probabilities);
        }
        return out;
      });
      cut.tell();
    });
  });
}

void numbers(const settings& s, const bert::checkpoint& files) {
  answer_lines<bert::heads::regress>(s, files, [](float y) {
    auto out = bert::io::json::object();
    out["value"] = number(y);
    return out;
  });
}

void rankings(const settings& s, const bert::checkpoint& files) {
  const auto& config = files.config();
  if (config.labels.size() == 1 || config.problem_type == "regression") return rank_lines<bert::heads::regress>(s, files);
  readings::tell_scored_label(config, "--rerank");
  readings::by_name(config.classifier_pooling, [&]<class Head>(std::type_identity<Head>) { rank_lines<Head>(s, files); });
}

void blanks(const settings& s, const bert::checkpoint& files) {
  answer_lines<bert::heads::masked_lm>(s, files, [](const std::vector<std::vector<bert::candidate>>& masks) {
    auto out = bert::io::json::object(), list = bert::io::json::array();
    for (const auto& mask : masks) {
      auto best = bert::io::json::array();
      for (const auto& c : mask) {
        auto piece = bert::io::json::object();
        piece["piece"] = c.piece;
        piece["score"] = number(c.probability);
        best.push_back(std::move(piece));
      }
      list.push_back(std::move(best));
    }
    out["masks"] = std::move(list);
    return out;
  });
}

}  // namespace predict
