// Classifiers of a folder: what they read of the encoder, by its name in config.json, and the class by which they order texts.
#pragma once

#include <iostream>
#include <string>
#include <string_view>
#include <type_traits>

#include "bert/checkpoint/model_config.hpp"
#include "bert/core/error.hpp"
#include "bert/heads/classify.hpp"
#include "bert/labels/dynamic_set.hpp"

namespace readings {

template <class Reads>
using classifier = bert::heads::classify<bert::labels::dynamic_set, Reads>;

/// Calls `body(std::type_identity<Head>{})` with the classifier that reads so; an empty or unknown name is the pooler, which
/// bert::checkpoint refuses where the folder says otherwise.
template <class Body>
void by_name(std::string_view name, Body&& body) {
  namespace reads = bert::heads::reads;
  if (name == reads::first_token::pooling) body(std::type_identity<classifier<reads::first_token>>{});
  else if (name == reads::mean::pooling) body(std::type_identity<classifier<reads::mean>>{});
  else body(std::type_identity<classifier<reads::pooler>>{});
}

/// Says of a classifier that orders texts by which of its two labels it does. Throws, naming the option, for another number.
inline void tell_scored_label(const bert::model_config& config, const std::string& option) {
  if (!config.labels.empty() && config.labels.size() != 2)
    throw bert::error({option, "a folder of one score or of two labels, the second relevant",
                       bert::cat(config.labels.size(), " labels in ", config.where),
                       "fine-tune one by finetune --task rerank"});
  std::cerr << "note: " << config.where << " names two labels; a text's score is the logit of \""
            << (config.labels.empty() ? "LABEL_1" : config.labels[1]) << "\"\n";
}

}  // namespace readings
