// The command line of finetune, and the task that each of its files trains.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bert/checkpoint/checkpoint.hpp"
#include "bert/core/cores.hpp"
#include "columns.hpp"

namespace finetune {

struct settings {
  std::string task = "classify", model, train, dev, out, report, log, keep, best, precision = "f32", order = "shuffled", loss,
              pooling, negative_column, group_column, class_weights, command, optimizer = "adamw", schedule = "linear", augment,
              synonyms, words, dense, pieces = "first";
  support::columns columns;
  int batch = 32, stride = 32, freeze = 0, reinit = 0;
  unsigned epochs = 3, patience = 0, freelb = 0, sda = 0, sdv = 0;
  std::size_t step = 0, max_question = 64;
  std::uint64_t seed = 42, log_every = 100, every = 500;
  std::size_t threads = bert::execution::available_cores();
  float lr = 5e-5f, head_lr = 0, dropout = 0.1f, weight_decay = 0.01f, warmup = 0.1f, layer_decay = 1, crf_rate = 100,
        score_range = 1, relevant = 0.5f, label_smoothing = 0, focal = 0;
  float rdrop = 0, fgm = 0, mixup = 0, mixout = 0, ema = 0, self_weight = 1;
  bool swa = false, unfreeze = false;
  bool crf = false, from_scratch = false, recompute = false, new_head = false, dry_run = false;
};

/// How to read the rows of the task's files, for the architecture A.
template <class A>
bert::data::tsv_options options_of(const settings& s) {
  auto options = s.columns.options();
  options.max_tokens = std::min(options.max_tokens, A::positions);
  return options;
}

/// How the task's training examples are drawn.
inline bert::data::batch_options drawn(const settings& s) {
  using bert::data::order;
  return {.order = s.order == "balanced"    ? order::balanced
                   : s.order == "by-length" ? order::by_length
                                            : order::shuffled,
          .seed = s.seed};
}

/// The names of a task's losses, the usual one first; empty where it has but one.
inline std::vector<std::string> losses_of(const std::string& task) {
  if (task == "embed") return {"multiple-negatives", "triplet", "cosent", "cosine"};
  if (task == "rerank") return {"binary_cross_entropy", "list_softmax", "margin_mse", "mean_squared_error"};
  if (task == "regress") return {"mean_squared_error", "mean_absolute_error", "huber"};
  return {};
}

/// One a task: trains, evaluates, saves.
void classify(const settings& s, const bert::checkpoint& files);
void regress(const settings& s, const bert::checkpoint& files);
void tag(const settings& s, const bert::checkpoint& files);
void span(const settings& s, const bert::checkpoint& files);
void embed(const settings& s, const bert::checkpoint& files);
/// The same with a dense layer, such as "256:tanh", behind the pooling `pooling`.
void embed_dense(const settings& s, const bert::checkpoint& files, const std::string& pooling, const std::string& dense);
void multilabel(const settings& s, const bert::checkpoint& files);
void choice(const settings& s, const bert::checkpoint& files);
void rerank(const settings& s, const bert::checkpoint& files);

}  // namespace finetune
