// The trainer: a range of steps, so that the loop is the caller's own `for`.
// Layer: training. Test: tests/unit/training/trainer_test.cpp
#pragma once

#include <chrono>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/core/random.hpp"
#include "bert/objectives/objective.hpp"
#include "bert/training/adamw.hpp"
#include "bert/training/groups.hpp"
#include "bert/training/optimizer.hpp"
#include "bert/training/passes.hpp"
#include "bert/training/policies.hpp"
#include "bert/training/schedules.hpp"
#include "bert/training/state.hpp"

namespace bert::inline BERT_ISA {

/// What a step of training reports.
struct step_report {
  std::uint64_t index = 0;  ///< steps done, this one included: 1, 2, …, total
  std::uint64_t epoch = 0;  ///< of the step's last batch, from 0
  double loss = 0;          ///< the sum of the parts' means
  objectives::loss_parts parts;
  float rate = 0;            ///< learning rate of the encoder
  double gradient_norm = 0;  ///< before clipping
  double tokens_per_second = 0;

  /// "step 100 loss 7.1043 mlm 6.4112 nsp 0.6931 lr 0.0001 tokens/s 20312"
  friend std::ostream& operator<<(std::ostream& out, const step_report& s) {
    out << "step " << s.index << " loss " << s.loss;
    for (const auto& part : s.parts)
      if (part.name != "loss") out << ' ' << part.name << ' ' << part.mean();
    return out << " lr " << s.rate << " tokens/s " << static_cast<std::uint64_t>(s.tokens_per_second);
  }
};

struct training_options {
  std::uint64_t seed = 0;          ///< of masks and dropout
  float dropout = 0.1f;            ///< of hidden vectors
  float attention_dropout = 0.1f;  ///< of attention probabilities
  unsigned accumulate = 1;         ///< batches whose gradients make one step
  float head_rate = 1;             ///< learning rate of pooler and heads, as a multiple of the encoder's
};

struct keep_options {
  std::uint64_t every = 1'000;  ///< steps between two writings; the end of the run is written too
};

/// Trains `model` on an objective. The same seed gives the same bytes whatever the number of threads, and a run that was cut
/// and resumed ends with the same bytes as one that was not. A step whose loss or gradient is not finite throws bert::error and
/// changes neither the model nor the state file.
///
/// `Policies`, in any order and each with a default:
///  - an executor (`execution::serial`);
///  - `activations::keep`, or `recompute`, which trades speed for most of the tape's memory and changes no bit;
///  - `precision::f32`, or `bf16` for the linear layers' products; parameters, gradients and moments are f32 either way;
///  - parameter groups (`optim::one_group`), `optim::layer_decay` for example.
template <class Model, class Objective, optim::optimizer Optimizer, schedules::schedule Schedule, class... Policies>
class trainer {
  static_assert(ensure<objectives::objective_for<Objective, Model>, facts<Objective, Model>>,
                "bert::trainer: the objective needs a head that the model does not have; make the model with "
                "bert::model_for<Architecture, Objective>");
  static_assert(
      ensure<training::policies_fit<Policies...>, facts<Policies...>>,
      "bert::trainer: every further argument must be an executor, an activation policy, a precision or parameter groups, "
      "one of each");

  using E = training::policy_of<training::is_executor, execution::serial, Policies...>;
  using Activations = training::policy_of<training::is_activation_policy, activations::keep, Policies...>;
  using Precision = training::policy_of<training::is_precision, precision::f32, Policies...>;
  using Groups = training::policy_of<training::is_groups, optim::one_group, Policies...>;
  using layout_type = training::gradient_layout<std::tuple_size_v<typename Model::table_type>>;

 public:
  trainer(Model& model, Objective objective, Optimizer optimizer, Schedule schedule, training_options options,
          Policies... policies)
      : model_(&model),
        objective_(std::move(objective)),
        optimizer_(std::move(optimizer)),
        schedule_(std::move(schedule)),
        options_(options),
        executor_(training::pick_policy<training::is_executor, execution::serial>(policies...)),
        groups_(training::pick_policy<training::is_groups, optim::one_group>(policies...)),
        layout_(training::layout_of<typename Model::architecture>(model.table(), groups_)),
        gradients_(layout_.size),
        moments_(layout_.size) {
    if (options_.accumulate == 0 || !(options_.dropout >= 0 && options_.dropout < 1) ||
        !(options_.attention_dropout >= 0 && options_.attention_dropout < 1))
      throw error({"bert::training_options",
                   "accumulate of 1 or more, dropout from 0 to below 1",
                   cat("accumulate ", options_.accumulate, ", dropout ", options_.dropout, " and ", options_.attention_dropout),
                   {}});
    if (layout_.parameters == 0)
      throw error({"bert::trainer", "a parameter to train", "parameter groups that freeze all of them", "freeze fewer"});
    for (std::size_t i = 0; i < model.table().size(); ++i) {
      const parameter& p = model.table()[i];
      // A pooler that no head reads has no gradient, so it must not decay either.
      if (layout_.groups[i].frozen || (!Model::reads_pooler && p.module == module_kind::pooler)) continue;
      tensors_.push_back({.parameter = &p,
                          .values = model.values(p),
                          .gradient = gradients_.span().subspan(layout_.offsets[i], p.count()),
                          .offset = layout_.offsets[i],
                          .decay = layout_.groups[i].decay});
      rates_.push_back(layout_.groups[i].rate);
    }
  }
  trainer(Model& model, Objective objective, Optimizer optimizer, Schedule schedule, Policies... policies)
      : trainer(model, std::move(objective), std::move(optimizer), std::move(schedule), training_options{},
                std::move(policies)...) {}
  trainer(const trainer&) = delete;
  trainer& operator=(const trainer&) = delete;

  /// Keeps the state of the run in `path`. If the file exists, the run goes on from it. Throws bert::error if it belongs to a
  /// run of other settings or cannot be read.
  void keep(const std::filesystem::path& path, keep_options options = {}) {
    kept_ = path;
    keep_ = options;
    if (std::filesystem::exists(path)) done_ = training::read_state(path, blocks(), describe());
  }

  /// Steps done so far.
  [[nodiscard]] std::uint64_t done() const noexcept { return done_; }

  /// The range of the remaining steps; each is trained when the loop comes to it.
  template <batch_source Source>
  class steps {
   public:
    class iterator {
     public:
      using value_type = step_report;
      using difference_type = std::ptrdiff_t;
      explicit iterator(steps& s) : steps_(&s) { ++*this; }
      const step_report& operator*() const noexcept { return steps_->report_; }
      const step_report* operator->() const noexcept { return &steps_->report_; }
      iterator& operator++() {
        more_ = steps_->trainer_->done_ < steps_->trainer_->schedule_.total;
        if (more_) steps_->trainer_->advance(*steps_);
        return *this;
      }
      void operator++(int) { ++*this; }
      friend bool operator==(const iterator& i, std::default_sentinel_t) noexcept { return !i.more_; }

     private:
      steps* steps_;
      bool more_ = true;
    };

    [[nodiscard]] iterator begin() { return iterator(*this); }
    [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

   private:
    friend class trainer;
    steps(trainer& t, const Source& source)
        : trainer_(&t),
          source_(&source),
          work_(objectives::make_work(t.objective_, source.capacity(), t.executor_)),
          tape_(t.objective_.capacity(source.capacity()), t.model_->sizes(),
                objectives::tape_options_of(t.objective_, t.layout_.lowest)) {
      raw_.tokens.reserve(source.capacity());
    }

    trainer* trainer_;
    const Source* source_;
    typename Objective::work work_;
    tape<Model, Activations> tape_;
    training_batch raw_;
    step_report report_;
  };

  /// Trains on `source`, which must outlive the range.
  template <batch_source Source>
  [[nodiscard]] steps<Source> over(const Source& source) {
    return steps<Source>(*this, source);
  }
  template <batch_source Source>
  steps<Source> over(const Source&& source) = delete;

 private:
  template <batch_source Source>
  void advance(steps<Source>& s) {
    const auto start = std::chrono::steady_clock::now();
    step_report& report = s.report_;
    report.parts = {};
    // Prepare: what of a batch is predicted is known before the first gradient, so that a mean is over the whole step.
    objectives::loss_scale scale(1.0f / static_cast<float>(options_.accumulate));
    if constexpr (objectives::tells_counts<Objective>) {
      if (options_.accumulate > 1) {
        objectives::loss_parts counts;
        for (unsigned i = 0; i < options_.accumulate; ++i) {
          (void)prepare(s, i);
          counts += objective_.counts(s.raw_, s.work_);
        }
        scale = objectives::loss_scale(counts);
      }
    }
    // Forward, score and backward, in one pass over a batch or several.
    std::size_t tokens = 0;
    for (unsigned i = 0; i < options_.accumulate; ++i) {
      const token_batch& batch = prepare(s, i);
      random_stream keys(options_.seed, draw::dropout, number(i));
      const std::uint64_t low = keys(), high = keys();
      const step_noise noise{options_.dropout, options_.attention_dropout, high << 32 | low};
      const auto run = in_precision();
      training::passes passes(run, *model_, s.tape_, batch, noise, gradient_view(),
                              i == 0 ? gradients::written : gradients::added);
      report.parts += training::run_passes(objective_, passes, executor_, s.raw_, s.work_, scale);
      tokens += batch.tokens();
      report.epoch = s.raw_.epoch;
    }
    check(report);
    update(report);
    if (!kept_.empty() && (done_ % std::max<std::uint64_t>(1, keep_.every) == 0 || done_ == schedule_.total))
      training::write_state(kept_, blocks(), done_, describe());
    report.tokens_per_second =
        static_cast<double>(tokens) / std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  /// The number of batch i of the step among all.
  [[nodiscard]] std::uint64_t number(unsigned i) const noexcept { return done_ * options_.accumulate + i; }

  /// Loads batch i of the step and makes of it what the model is fed.
  template <batch_source Source>
  const token_batch& prepare(steps<Source>& s, unsigned i) {
    s.source_->load(number(i), s.raw_);
    return objective_.prepare(s.raw_, options_.seed, s.work_);
  }

  /// Throws unless loss and gradient are finite: nothing has changed yet.
  void check(step_report& report) const {
    report.loss = report.parts.loss();
    report.rate = schedule_.rate(done_);
    report.gradient_norm = std::sqrt(kernels::squared_norm(executor_, std::span<const float>(gradients_.span())));
    if (!std::isfinite(report.loss) || !std::isfinite(report.gradient_norm))
      throw error({cat("bert::trainer, step ", done_ + 1), "a finite loss and gradient",
                   cat("loss ", report.loss, ", gradient norm ", report.gradient_norm, "; the step was not taken"),
                   "lower the learning rate or lengthen the warm-up"});
  }

  void update(step_report& report) {
    const float head_rate = report.rate * options_.head_rate;
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      const module_kind kind = tensors_[i].parameter->module;
      const bool above = kind == module_kind::pooler || kind == module_kind::head;
      tensors_[i].rate = (above ? head_rate : report.rate) * rates_[i];
    }
    optimizer_.apply(executor_, optim::update{tensors_, report.gradient_norm, done_}, moments_);
    report.index = ++done_;
  }

  [[nodiscard]] block_view<typename Model::architecture, float> gradient_view() noexcept {
    return {model_->table(), gradients_.data(), layout_.offsets};
  }

  [[nodiscard]] auto in_precision() const noexcept {
    if constexpr (std::same_as<Precision, precision::f32>) return executor_;
    else return layers::in_precision<Precision, E>{executor_};
  }

  [[nodiscard]] training::state_blocks blocks() noexcept {
    blocks_.assign(1, {"parameters", model_->block()});
    for (const auto& block : moments_.blocks()) blocks_.push_back(block);
    return blocks_;
  }

  [[nodiscard]] std::string describe() const {
    return cat(optimizer_.describe(), ' ', schedule_.describe(), " seed=", options_.seed, " dropout=", options_.dropout, "/",
               options_.attention_dropout, " accumulate=", options_.accumulate, " head_rate=", options_.head_rate,
               std::same_as<Precision, precision::f32> ? "" : " products=bf16",
               groups_.describe().empty() ? "" : " groups=", groups_.describe(), " parameters=", model_->count());
  }

  Model* model_;
  Objective objective_;
  Optimizer optimizer_;
  Schedule schedule_;
  training_options options_;
  E executor_;
  Groups groups_;
  layout_type layout_;
  buffer<float> gradients_;
  typename Optimizer::state moments_;
  std::vector<optim::trained_tensor> tensors_;
  std::vector<float> rates_;
  std::uint64_t done_ = 0;
  std::filesystem::path kept_;
  keep_options keep_;
  std::vector<optim::state_block> blocks_;
};

template <class Model, class Objective, class Optimizer, class Schedule, class... Policies>
trainer(Model&, Objective, Optimizer, Schedule, training_options, Policies...)
    -> trainer<Model, Objective, Optimizer, Schedule, Policies...>;
template <class Model, class Objective, class Optimizer, class Schedule, class... Policies>
trainer(Model&, Objective, Optimizer, Schedule, Policies...) -> trainer<Model, Objective, Optimizer, Schedule, Policies...>;

}  // namespace bert
