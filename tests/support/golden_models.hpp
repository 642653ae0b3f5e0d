// The models of tests/golden as types.
#pragma once

#include "bert/heads/classify.hpp"
#include "bert/heads/masked_lm.hpp"
#include "bert/heads/next_sentence.hpp"
#include "bert/heads/pooled.hpp"
#include "bert/heads/span.hpp"
#include "bert/labels/one_of.hpp"
#include "bert/model/model.hpp"

namespace golden {

struct odd : bert::architecture_of<bert::dims{
                 .vocab = 1003, .hidden = 72, .layers = 2, .heads = 6, .intermediate = 200, .positions = 512}> {};
struct pocket : bert::architecture_of<bert::dims{
                    .vocab = 101, .hidden = 32, .layers = 1, .heads = 2, .intermediate = 48, .positions = 64}> {};
struct tanh : bert::architecture_of<bert::dims{.vocab = 101,
                                               .hidden = 24,
                                               .layers = 2,
                                               .heads = 2,
                                               .intermediate = 40,
                                               .positions = 48,
                                               .norm_epsilon_exponent = -6},
                                    bert::layers::post_norm<bert::activation::gelu_tanh>> {};
struct relu : bert::architecture_of<bert::dims{.vocab = 97,
                                               .hidden = 40,
                                               .layers = 1,
                                               .heads = 5,
                                               .intermediate = 56,
                                               .positions = 32,
                                               .norm_epsilon_exponent = -5},
                                    bert::layers::post_norm<bert::activation::relu>> {};
struct plain : bert::architecture_of<bert::dims{
                   .vocab = 101, .hidden = 24, .layers = 2, .heads = 3, .intermediate = 30, .positions = 32}> {};
struct answers : bert::architecture_of<bert::dims{
                     .vocab = 101, .hidden = 24, .layers = 2, .heads = 2, .intermediate = 40, .positions = 48}> {};

struct urgency : bert::labels::one_of<"routine", "soon", "urgent"> {};

using odd_model = bert::model<odd, bert::heads::masked_lm, bert::heads::next_sentence>;
using tanh_model = bert::model<tanh, bert::heads::masked_lm, bert::heads::next_sentence>;
using relu_model = bert::model<relu, bert::heads::masked_lm>;
using classifier_model = bert::model<pocket, bert::heads::classify<urgency>>;
using answers_model = bert::model<answers, bert::heads::span>;
using plain_model = bert::model<plain, bert::heads::pooled>;

}  // namespace golden
