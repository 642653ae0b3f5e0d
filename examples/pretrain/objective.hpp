// What pretrain trains: a masking policy and a pairing that the command line chooses, on one or two corpora.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "bert/data/replayed.hpp"
#include "bert/data/word_lists.hpp"
#include "bert/objectives/joint.hpp"
#include "bert/objectives/masked_lm.hpp"
#include "bert/objectives/masking_lexicon.hpp"
#include "bert/objectives/masking_similar.hpp"
#include "bert/objectives/next_sentence.hpp"
#include "pretrain/settings.hpp"

namespace pretraining {

/// A masking policy that selects one of the library's by command line.
struct chosen_masking {
  float rate = 0.15f, mask = 0.8f, random = 0.1f;
  std::string_view unit = "token";
  bool fixed = false;
  bert::masking::draws drawn = bert::masking::draws::each_piece;
  bert::token_lexicon words = {};
  bert::token_synonyms synonyms = {};

  /// Calls `use` with the policy.
  template <class Use>
  void with(const Use& use) const {
    using namespace bert::masking;  // NOLINT
    if (unit == "whole_word") use(whole_word{rate, mask, random, drawn});
    else if (unit == "ngram") use(ngram{rate, mask, random, ngram{}.longest, drawn});
    else if (unit == "span") use(span{rate, mask, random, span{}.stop, span{}.longest, drawn});
    else if (unit == "lexicon") use(lexicon{rate, mask, random, 1, drawn, words});
    else if (unit == "similar_word") use(similar_word{rate, mask, random, similar_word{}.longest, synonyms, words});
    else use(token{rate, mask, random});
  }
  void operator()(const bert::training_batch& in, std::uint64_t seed, bert::masked_batch& out) const {
    with([&](const auto& policy) { policy(in, seed, fixed ? 0 : in.epoch, out); });
  }
  [[nodiscard]] bert::named_facts fingerprint() const {
    bert::named_facts facts;
    with([&](const auto& policy) {
      facts = fixed ? bert::masking::fixed<std::decay_t<decltype(policy)>>{policy}.fingerprint() : bert::masking_facts(policy);
    });
    return facts;
  }
  [[nodiscard]] std::size_t max_scored(const bert::batch_shape& shape) const {
    return bert::masking::token{rate, mask, random}.max_scored(shape);
  }
};

/// The policy of the command line; reads its lists and says what they hold.
inline chosen_masking read_masking(const settings& s, const bert::text::tokenizer& tokenizer) {
  chosen_masking m{.rate = s.mask_rate,
                   .unit = s.masking,
                   .fixed = s.fixed_masks(),
                   .drawn = s.draws == "unit" ? bert::masking::draws::each_unit : bert::masking::draws::each_piece};
  bert::data::word_list_report report;
  if (!s.lexicons.empty()) {
    std::vector<std::filesystem::path> paths;
    for (const std::string& name : s.lexicons) paths.push_back(bert::path_from(name));
    m.words = bert::data::lexicon(paths, tokenizer, {}, &report);
    std::cout << "lexicon " << report.entries << " entries of " << report.lines << " lines, the longest of "
              << m.words.longest_entry() << " tokens";
    if (report.single != 0) std::cout << "; " << report.single << " are single words";
    if (report.unknown != 0) std::cout << "; " << report.unknown << " have [UNK]";
    std::cout << '\n';
  }
  if (!s.synonyms.empty()) {
    m.synonyms = bert::data::synonyms(bert::path_from(s.synonyms), tokenizer, {}, &report);
    std::cout << "synonyms " << m.synonyms.pairs() << " pairs of " << report.lines << " lines; " << report.uneven
              << " have other numbers of tokens, " << report.unknown << " have [UNK]\n";
  }
  return m;
}

using masked = bert::objectives::masked_lm<chosen_masking>;

/// Next sentence or sentence order: the same head and loss, under the name that log lines have.
struct pair_objective : bert::objectives::next_sentence {
  std::string_view name = "nsp";

  [[nodiscard]] bert::objectives::loss_terms counts(const bert::training_batch& in, const work&) const {
    return count_labels(name, in);
  }
  template <class Model, bert::executor E>
  bert::objectives::loss_terms score(const E& e, const bert::training_batch& in, work& w, bert::tape<Model>& t,
                                     const bert::objectives::loss_scale& scale) const {
    return cross_entropy(e, name, in, w, t, scale);
  }
};

/// Batches of one corpus, or of two, with what else a run began from among its facts.
class batches {
 public:
  explicit batches(bert::data::packed one) : source_(std::move(one)) {}
  explicit batches(bert::data::replayed two) : source_(std::move(two)) {}

  [[nodiscard]] bert::batch_shape capacity() const {
    return std::visit([](const auto& s) { return s.capacity(); }, source_);
  }
  [[nodiscard]] std::uint64_t batches_per_epoch() const {
    return std::visit([](const auto& s) { return s.batches_per_epoch(); }, source_);
  }
  void load(std::uint64_t step, bert::training_batch& out) const {
    std::visit([&](const auto& s) { s.load(step, out); }, source_);
  }
  [[nodiscard]] bert::named_facts fingerprint() const {
    auto facts = std::visit([](const auto& s) { return s.fingerprint(); }, source_);
    bert::append(facts, origin);
    return facts;
  }
  /// The corpus of --text, and that of --replay or nullptr.
  [[nodiscard]] const bert::data::packed& domain() const {
    const auto* two = std::get_if<bert::data::replayed>(&source_);
    return two != nullptr ? two->domain() : std::get<bert::data::packed>(source_);
  }
  [[nodiscard]] const bert::data::packed* general() const {
    const auto* two = std::get_if<bert::data::replayed>(&source_);
    return two != nullptr ? &two->general() : nullptr;
  }

  bert::named_facts origin = {};  ///< of the weights

 private:
  std::variant<bert::data::packed, bert::data::replayed> source_;
};

}  // namespace pretraining
