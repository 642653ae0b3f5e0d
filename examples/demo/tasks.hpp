// What the demo's pretrained model learns beside classification: to tag, to answer, to find sentences.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "architectures.hpp"
#include "bert/objectives/joint.hpp"
#include "bert/objectives/masked_lm.hpp"
#include "bert/objectives/next_sentence.hpp"
#include "bert/text/tokenizer.hpp"
#include "demo_world.hpp"

namespace demo {

using objective =
    bert::objectives::joint<bert::objectives::masked_lm<bert::masking::whole_word>, bert::objectives::next_sentence>;
using pretrained = bert::model_for<pocket, objective>;

/// A figure on held-out examples, of the pretrained model and of one that starts from random weights, and some examples.
struct outcome {
  std::string how;  ///< where the two sets come from
  std::string figure;
  double with = 0, without = 0;
  std::vector<std::string> shown;
};

/// Tags people, places, animals and things in sentences about subjects that no training sentence names.
outcome tag_entities(const pretrained& model, const bert::text::tokenizer& tokenizer, const std::vector<fact>& facts,
                     std::uint64_t seed, const bert::execution::threads& threads);

/// Answers questions from paragraphs, each of what is known of a subject that no training paragraph names.
outcome answer_questions(const pretrained& model, const bert::text::tokenizer& tokenizer, const std::vector<fact>& facts,
                         std::uint64_t seed, const bert::execution::threads& threads);

/// Finds, for a fact in a phrasing that it has not read, the same fact among all others in another phrasing.
outcome find_sentences(const pretrained& model, const bert::text::tokenizer& tokenizer, const std::vector<fact>& facts,
                       std::uint64_t seed, const bert::execution::threads& threads);

}  // namespace demo
