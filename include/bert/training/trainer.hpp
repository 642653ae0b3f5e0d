// The trainer: a range of steps, so that the loop is the caller's own `for`.
// Layer: training. Test: tests/unit/training/trainer_test.cpp
#ifndef BERT_TRAINING_TRAINER_HPP
#define BERT_TRAINING_TRAINER_HPP

#include <algorithm>
#include <array>
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

#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/random.hpp"
#include "bert/objectives/objective.hpp"
#include "bert/training/adamw.hpp"
#include "bert/training/groups.hpp"
#include "bert/training/optimizer.hpp"
#include "bert/training/passes.hpp"
#include "bert/training/policies.hpp"
#include "bert/training/reduction.hpp"
#include "bert/training/schedules.hpp"
#include "bert/training/second_network.hpp"
#include "bert/training/state.hpp"
#include "bert/training/step_report.hpp"
#include "bert/training/stop_flag.hpp"
#include "bert/training/summed_gradients.hpp"
#include "bert/training/teacher.hpp"
#include "bert/training/weights.hpp"

namespace bert::inline BERT_ISA {

/// Trains `model` on an objective. The same seed gives the same bits with any number of threads, and a run that was
/// interrupted and resumed ends with the same bits as one that was not. A step whose loss or gradient is not finite throws
/// bert::error and changes neither the model nor the state file.
///
/// `Policies`, in any order and each with a default:
///  - an executor (`execution::serial`);
///  - `activations::keep`, or `recompute`, which trades speed for most of the tape's memory and changes no bit;
///  - `precision::f32`, or `bf16` for the linear layers' products; parameters, gradients and moments are f32 either way;
///  - parameter groups (`optim::one_group`), `optim::layer_decay` for example;
///  - policies over the weights: `training::averaged`, `mixout`, `unfreezing`;
///  - a reduction (`training::alone`) over replicas that train the same model, each on a part of every batch. With equal
///    `leaves`, an objective of one pass gives the same bits with 1, 2, 4, … replicas.
///
/// An objective may train a second model (`second_model()`, training/passes.hpp): the step, its check, the gradient norm and
/// the state file then cover both.
template <class Model, class Objective, optim::optimizer Optimizer, schedules::schedule Schedule, class... Policies>
class trainer {
  static_assert(ensure<Objective::template fits<Model>, facts<Objective, Model>>,
                "bert::trainer: the objective needs a head that the model does not have; make the model with "
                "bert::model_for<Architecture, Objective>");
  static_assert(
      ensure<(!Objective::template fits<Model> || objectives::objective_for<Objective, Model>), facts<Objective, Model>>,
      "bert::trainer: an objective needs a type work, capacity(const batch_shape&) and prepare(const training_batch&, "
      "std::uint64_t, work&); docs/architecture.md, How to add an objective");
  static_assert(
      ensure<training::policies_fit<Policies...>, facts<Policies...>>,
      "bert::trainer: every further argument must be an executor, an activation policy, a precision, parameter groups or "
      "a policy over weights, one of each");

  using E = training::policy_of<training::is_executor, execution::serial, Policies...>;
  using Activations = training::policy_of<training::is_activation_policy, activations::keep, Policies...>;
  using Precision = training::policy_of<training::is_precision, precision::f32, Policies...>;
  using Groups = training::policy_of<training::is_groups, optim::one_group, Policies...>;
  using Reduction = training::policy_of<training::is_reduction, training::alone, Policies...>;
  static constexpr bool replicated = !std::same_as<Reduction, training::alone>;
  using Second = training::second_network_of<Objective, Optimizer>;
  using Teacher = training::teacher_of<Objective, Model>;
  using Weights = training::weight_states<Model, decltype(training::weight_policies_among(std::declval<const Policies&>()...))>;
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
        reduction_(training::pick_policy<training::is_reduction, training::alone>(policies...)),
        layout_(training::layout_of<typename Model::architecture>(model.table(), groups_)),
        gradients_(model, layout_, options.leaves, options.accumulate),
        updates_(model, layout_, gradients_.all()),
        moments_(optim::make_state(optimizer_, layout_.size, updates_.tensors())),
        second_(objective_, optimizer_),
        weights_(training::weight_policies_among(policies...), model),
        teacher_(objective_, model) {
    training::check_options(options_, reduction_.size());
    if (layout_.parameters == 0)
      throw_error({"bert::trainer", "a parameter to train", "parameter groups that freeze all of them", "freeze fewer"});
  }
  trainer(Model& model, Objective objective, Optimizer optimizer, Schedule schedule, Policies... policies)
      : trainer(model, std::move(objective), std::move(optimizer), std::move(schedule), training_options{},
                std::move(policies)...) {}
  trainer(const trainer&) = delete;
  trainer& operator=(const trainer&) = delete;

  /// Writes the state of the run to `path` as it trains. If the file exists, resumes from it. Throws bert::error if it is of a
  /// run of other settings, is damaged, or cannot be read or written. The state holds the fingerprint() of source,
  /// objective and heads; `over` throws, naming what differs, if it was made with others. Of replicas, number 0 writes and all
  /// read; the file does not depend on how many there are.
  void keep(const std::filesystem::path& path, keep_options options = {}) {
    kept_ = path;
    keep_ = options;
    std::error_code ignored;  // a file that exists but cannot be read is read_state's error
    if (std::filesystem::exists(std::filesystem::symlink_status(path, ignored)))
      teacher_.resume(done_ = training::read_state(path, blocks(), describe(), schedule_.total, &resumed_facts_));
    else io::check_output_file(path);
  }

  /// Ends the loop after the current step; the state is then written, if `keep` was called. Any thread and a signal handler may
  /// call it.
  void request_stop() noexcept { stop_.ask(); }

  /// Steps done so far.
  [[nodiscard]] std::uint64_t done() const noexcept { return done_; }
  /// The weights to evaluate and save, if a policy keeps others than the model's (`training::averaged`); else nullptr.
  [[nodiscard]] const Model* result() const noexcept { return weights_.result(done_); }

  /// The range of the remaining steps; the loop's iterator trains each.
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
        more_ = steps_->trainer_->goes_on();
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
          tape_(t.tape_capacity(source.capacity()), t.model_->sizes(),
                objectives::tape_options_of(t.objective_, t.layout_.lowest)),
          offsets_(t.options_.leaves / t.reduction_.size() + 1) {
      raw_.tokens.reserve(source.capacity());
    }

    trainer* trainer_;
    const Source* source_;
    typename Objective::work work_;
    tape<Model, Activations> tape_;
    training_batch raw_, part_;
    std::vector<std::size_t> offsets_;  ///< of this replica's groups among its sequences
    step_report report_;
  };

  /// Trains on `source`, which must outlive the range.
  template <batch_source Source>
  [[nodiscard]] steps<Source> over(const Source& source) {
    static_assert(ensure<carries_targets<Source, Objective>, facts<Source, Objective>>,
                  "bert::trainer: the source does not carry what the objective needs (`targets`, `needs`); take a set of that "
                  "kind, or another objective");
    facts_ = fingerprint_of(source);
    append(facts_, fingerprint_of(objective_));
    append(facts_, fingerprint_of(*model_));
    training::check_facts(kept_, facts_, resumed_facts_);
    return steps<Source>(*this, source);
  }
  template <batch_source Source>
  steps<Source> over(const Source&& source) = delete;

 private:
  // Whether there is a next step. After request_stop there is none, and the state is written first.
  [[nodiscard]] bool goes_on() {
    if (done_ >= schedule_.total) return false;
    if (!stop_.asked()) return true;
    if (!kept_.empty() && written_ != done_) write_state();
    return false;
  }
  // One replica writes: all have the same weights and moments.
  void write_state() {
    if (reduction_.rank() == 0) training::write_state(kept_, blocks(), done_, describe(), facts_);
    written_ = done_;
  }

  template <batch_source Source>
  void advance(steps<Source>& s) {
    const auto start = std::chrono::steady_clock::now();
    step_report& report = s.report_;
    report.terms = {};
    // Prepare: predictions are counted before the first gradient, so that a mean is over the whole step.
    objectives::loss_scale scale(1.0f / static_cast<float>(options_.accumulate));
    prepared counted{};  // the last batch that was counted
    if constexpr (objectives::tells_counts<Objective>) {
      if (replicated || options_.accumulate > 1) {
        objectives::loss_terms counts;
        for (unsigned i = 0; i < options_.accumulate; ++i) {
          counted = prepare(s, i);
          counts += objective_.counts(*counted.in, s.work_);
        }
        scale = objectives::loss_scale(training::over_replicas(reduction_, counts));
      }
    } else {
      static_assert(ensure<!replicated, facts<Objective>>,
                    "bert::trainer: with a reduction, the objective must count its predictions; give it counts(batch, work)");
    }
    // Each batch: forward, score, backward, then the sum over replicas.
    std::uint64_t tokens = 0;
    if constexpr (Second::trained) second_.clear(executor_);
    const Model& weights = weights_.before(executor_, *model_, done_);
    s.tape_.train_from(weights_.lowest(done_));
    for (unsigned i = 0; i < options_.accumulate; ++i) {
      const prepared p = options_.accumulate == 1 && counted.batch != nullptr ? counted : prepare(s, i);
      random_stream keys(options_.seed, draw::dropout, number(i));
      const std::uint64_t low = keys(), high = keys();
      const step_noise noise{options_.dropout, options_.attention_dropout, high << 32 | low, p.before};
      const auto how = gradients_.begin(executor_, i);
      if (replicated && p.batch->empty()) {  // fewer examples than replicas; without others, the tape refuses an empty batch
        kernels::clear(executor_, gradients_.all());
      } else {
        const auto run = in_precision();
        training::passes passes(run, weights, s.tape_, *p.batch, noise, gradients_.view(), how, second_, teacher_.models());
        gradients_.watch(passes, reduction_);
        report.terms += training::run_passes(objective_, passes, executor_, *p.in, s.work_, scale);
      }
      gradients_.end(executor_, reduction_, i);
      tokens += p.tokens;
      report.epoch = s.raw_.epoch;
    }
    if constexpr (replicated) report.terms = training::over_replicas(reduction_, report.terms);
    if constexpr (replicated && Second::trained) reduction_.add(second_.gradients());
    adapt_gradients();
    check(report);
    update(report);
    if (!kept_.empty() && (done_ % std::max<std::uint64_t>(1, keep_.every) == 0 || done_ == schedule_.total)) write_state();
    report.tokens_per_second =
        static_cast<double>(tokens) / std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  /// The index of the step's batch `i` among all batches of the run.
  [[nodiscard]] std::uint64_t number(unsigned i) const noexcept { return done_ * options_.accumulate + i; }

  /// A batch of the step, or this replica's part of it, and the tokens that the model is given.
  struct prepared {
    const training_batch* in = nullptr;
    const token_batch* batch = nullptr;
    layers::rows_before before = {};
    std::uint64_t tokens = 0;  ///< of the whole batch
  };

  /// Loads the step's batch `i`, takes this replica's part, and has the objective prepare it.
  template <batch_source Source>
  prepared prepare(steps<Source>& s, unsigned i) {
    s.source_->load(number(i), s.raw_);
    prepared p{&s.raw_, nullptr, {}, s.raw_.tokens.tokens()};
    const std::size_t rank = reduction_.rank(), own = options_.leaves / reduction_.size();
    const std::size_t examples = s.raw_.examples();
    const auto first_sequence = [&](std::size_t g) {
      const std::size_t example = training::group_start(examples, g, options_.leaves);
      return s.raw_.groups.empty() ? example : s.raw_.groups[example];
    };
    const std::size_t first = first_sequence(rank * own);
    if constexpr (replicated) {
      copy_sequences(s.raw_, first, first_sequence((rank + 1) * own), s.part_);
      p.in = &s.part_;
    }
    p.batch = &objective_.prepare(*p.in, options_.seed, s.work_);
    if (options_.leaves > 1) {
      for (std::size_t g = 0; g <= own; ++g) s.offsets_[g] = first_sequence(rank * own + g) - first;
      s.tape_.split(own > 1 ? std::span<const std::size_t>(s.offsets_) : std::span<const std::size_t>{});
    }
    if constexpr (replicated) {
      const std::array<std::uint64_t, 3> mine{p.batch->sequences(), p.batch->tokens(), s.tape_.chosen_rows(*p.batch)};
      std::vector<std::uint64_t> all(mine.size() * reduction_.size());
      reduction_.gather(mine, all);
      for (std::size_t r = 0; r < rank; ++r) {
        p.before.sequences += all[3 * r];
        p.before.tokens += all[3 * r + 1];
        p.before.chosen += all[3 * r + 2];
      }
    }
    return p;
  }

  [[nodiscard]] batch_shape tape_capacity(const batch_shape& raw) const noexcept {
    batch_shape shape = objective_.capacity(raw);
    shape.leaves = options_.leaves / reduction_.size();
    shape.parts = std::max<std::size_t>(1, precision::parts_in<Precision>);
    return shape;
  }

  /// Clears the gradients of parameters that are frozen in this step, and has the policies over weights change the others.
  void adapt_gradients() {
    const auto g = gradients_.view();
    for (std::size_t i = 0; i < g.table().size(); ++i)
      if (weights_.frozen(g.table()[i], done_)) kernels::clear(executor_, g.values(i));
    weights_.gradients(executor_, g, done_);
  }

  /// Throws unless loss and gradient are finite; no weight or state has changed yet.
  void check(step_report& report) const {
    report.loss = report.terms.loss();
    report.rate = schedule_.rate(done_);
    double squares = kernels::squared_norm(executor_, gradients_.sum());
    if constexpr (Second::trained) squares += second_.squared_norm(executor_);
    report.gradient_norm = std::sqrt(squares);
    if (!std::isfinite(report.loss) || !std::isfinite(report.gradient_norm))
      throw_error({cat("bert::trainer, step ", done_ + 1), "a finite loss and gradient",
                   cat("loss ", report.loss, ", gradient norm ", report.gradient_norm, "; the step was not taken"),
                   "lower the learning rate or lengthen the warm-up"});
  }

  void update(step_report& report) {
    const float head_rate = report.rate * options_.head_rate;
    const auto tensors =
        updates_.at_rates(report.rate, head_rate, [&](const parameter& p) { return weights_.frozen(p, done_); });
    optimizer_.apply(executor_, optim::update{tensors, report.gradient_norm, done_}, moments_);
    if constexpr (Second::trained) second_.update(executor_, optimizer_, report.rate, head_rate, report.gradient_norm, done_);
    weights_.after(executor_, *model_, done_);
    teacher_.after(executor_, *model_, done_);
    report.index = ++done_;
  }

  [[nodiscard]] auto in_precision() const noexcept {
    if constexpr (std::same_as<Precision, precision::f32>) return executor_;
    else return layers::in_precision<Precision, E>{executor_};
  }

  [[nodiscard]] training::state_blocks blocks() noexcept {
    blocks_.assign(1, {"parameters", model_->block()});
    for (const auto& block : moments_.blocks()) blocks_.push_back(block);
    if constexpr (Second::trained) second_.add_blocks(blocks_);
    weights_.add_blocks(blocks_);
    teacher_.add_blocks(blocks_);
    return blocks_;
  }

  [[nodiscard]] std::string describe() const {
    return cat(optimizer_.describe(), ' ', schedule_.describe(), " seed=", options_.seed, " dropout=", options_.dropout, "/",
               options_.attention_dropout, " accumulate=", options_.accumulate, " head_rate=", options_.head_rate,
               options_.leaves == 1 ? "" : cat(" leaves=", options_.leaves), layers::products_of<Precision>,
               groups_.describe().empty() ? "" : " groups=", groups_.describe(), weights_.describe(), teacher_.describe(),
               " parameters=", model_->count(), second_parameters());
  }

  [[nodiscard]] std::string second_parameters() const {
    if constexpr (Second::trained) return cat(" second_parameters=", second_.model().count());
    else return {};
  }

  Model* model_;
  Objective objective_;
  Optimizer optimizer_;
  Schedule schedule_;
  training_options options_;
  E executor_;
  Groups groups_;
  Reduction reduction_;
  layout_type layout_;
  training::summed_gradients<Model, Reduction> gradients_;
  training::update_list updates_;
  typename Optimizer::state moments_;
  Second second_;
  Weights weights_;
  Teacher teacher_;
  std::uint64_t done_ = 0, written_ = 0;
  training::stop_flag stop_;
  std::filesystem::path kept_;
  named_facts facts_, resumed_facts_;
  keep_options keep_;
  std::vector<optim::state_block> blocks_;
};

template <class Model, class Objective, class Optimizer, class Schedule, class... Policies>
trainer(Model&, Objective, Optimizer, Schedule, training_options, Policies...)
    -> trainer<Model, Objective, Optimizer, Schedule, Policies...>;
template <class Model, class Objective, class Optimizer, class Schedule, class... Policies>
trainer(Model&, Objective, Optimizer, Schedule, Policies...) -> trainer<Model, Objective, Optimizer, Schedule, Policies...>;

}  // namespace bert

#endif  // BERT_TRAINING_TRAINER_HPP
