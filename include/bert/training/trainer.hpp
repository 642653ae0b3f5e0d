// The trainer: a range of steps, so that the loop is the caller's own `for`.
// Layer: training. Test: tests/unit/training/trainer_test.cpp
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <memory>
#include <ostream>
#include <string>
#include <utility>

#include "bert/core/isa.hpp"
#include "bert/core/random.hpp"
#include "bert/objectives/objective.hpp"
#include "bert/training/adamw.hpp"
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
/// and resumed ends with the same bytes as one that was not.
///
/// `Activations`: `activations::keep`, or `recompute`, which trades speed for most of the tape's memory and changes no bit.
/// `Precision`: `precision::f32`, or `bf16` for the linear layers' products; parameters, gradients and moments are f32 either
/// way.
template <class Model, class Objective, class Optimiser, schedules::schedule Schedule, executor E = execution::serial,
          activation_policy Activations = activations::keep, training_precision Precision = precision::f32>
class trainer {
  static_assert(ensure<objectives::objective_for<Objective, Model>, facts<Objective, Model>>,
                "bert::trainer: the objective needs a head that the model does not have; make the model with "
                "bert::model_for<Architecture, Objective>");

 public:
  trainer(Model& model, Objective objective, Optimiser optimiser, Schedule schedule, training_options options = {}, E e = {},
          Activations = {}, Precision = {})
      : model_(&model),
        objective_(std::move(objective)),
        optimiser_(std::move(optimiser)),
        schedule_(std::move(schedule)),
        options_(options),
        executor_(std::move(e)),
        gradients_(model.block().size()),
        moments_(model.block().size()) {
    if (options_.accumulate == 0 || !(options_.dropout >= 0 && options_.dropout < 1) ||
        !(options_.attention_dropout >= 0 && options_.attention_dropout < 1))
      throw error({"bert::training_options",
                   "accumulate of 1 or more, dropout from 0 to below 1",
                   cat("accumulate ", options_.accumulate, ", dropout ", options_.dropout, " and ", options_.attention_dropout),
                   {}});
  }

  /// Keeps the state of the run in `path`. If the file exists, the run goes on from it. Throws bert::error if it belongs to a
  /// run of other settings, is damaged, or cannot be read or written.
  void keep(const std::filesystem::path& path, keep_options options = {}) {
    kept_ = path;
    keep_ = options;
    std::error_code ignored;  // what can be seen but not read is an error of reading
    if (std::filesystem::exists(std::filesystem::symlink_status(path, ignored)))
      done_ = training::read_state(path, blocks(), describe(), schedule_.total);
    else io::check_output_file(path);
  }

  /// Ends the loop after the step that is being done, with the state written if it is kept. Any thread, and a signal handler,
  /// may ask.
  void request_stop() noexcept { stop_.asked.store(true, std::memory_order_relaxed); }

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
          work_(t.objective_, source.capacity()),
          tape_(t.objective_.capacity(source.capacity()), t.model_->sizes()) {
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
  // An atomic flag that leaves its owner copyable; a copy has its own.
  struct stop_flag {
    std::atomic<bool> asked{false};
    stop_flag() = default;
    stop_flag(const stop_flag&) noexcept {}
    stop_flag& operator=(const stop_flag&) noexcept { return *this; }
  };

  // Whether there is a next step. If a stop was asked for, there is none, and the state is on the disk.
  [[nodiscard]] bool goes_on() {
    if (done_ >= schedule_.total) return false;
    if (!stop_.asked.load(std::memory_order_relaxed)) return true;
    if (!kept_.empty() && written_ != done_) write_state();
    return false;
  }
  void write_state() {
    training::write_state(kept_, blocks(), done_, describe());
    written_ = done_;
  }

  template <batch_source Source>
  void advance(steps<Source>& s) {
    const auto start = std::chrono::steady_clock::now();
    step_report& report = s.report_;
    report.parts = {};
    std::size_t tokens = 0;
    for (unsigned i = 0; i < options_.accumulate; ++i) {
      const std::uint64_t number = done_ * options_.accumulate + i;
      s.source_->load(number, s.raw_);
      const token_batch& batch = objective_.prepare(s.raw_, options_.seed, s.work_);
      random_stream keys(options_.seed, draw::dropout, number);
      const std::uint64_t low = keys(), high = keys();
      const step_noise noise{options_.dropout, options_.attention_dropout, high << 32 | low};
      s.tape_.forward(in_precision(), *model_, batch, noise);
      report.parts += objective_.score(executor_, s.raw_, s.work_, s.tape_, 1.0f / static_cast<float>(options_.accumulate));
      s.tape_.backward(in_precision(), *model_, batch, gradients_.data(), noise,
                       i == 0 ? gradients::written : gradients::added);
      tokens += batch.tokens();
      report.epoch = s.raw_.epoch;
    }
    report.loss = report.parts.loss();
    report.rate = schedule_.rate(done_);
    report.gradient_norm = std::sqrt(kernels::squared_norm(executor_, std::span<const float>(gradients_.span())));
    if (!std::isfinite(report.loss) || !std::isfinite(report.gradient_norm))
      throw error({cat("bert::trainer, step ", done_ + 1), "a finite loss and gradient",
                   cat("loss ", report.loss, ", gradient norm ", report.gradient_norm, "; the step was not taken"),
                   "lower the learning rate or lengthen the warm-up"});
    optimiser_.apply(executor_, *model_, gradients_.span(), report.gradient_norm, moments_,
                     optim::rates{report.rate, report.rate * options_.head_rate}, done_);
    report.index = ++done_;
    if (!kept_.empty() && (done_ % std::max<std::uint64_t>(1, keep_.every) == 0 || done_ == schedule_.total)) write_state();
    report.tokens_per_second =
        static_cast<double>(tokens) / std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  [[nodiscard]] auto in_precision() const noexcept {
    if constexpr (std::same_as<Precision, precision::f32>) return executor_;
    else return layers::in_precision<Precision, E>{executor_};
  }

  [[nodiscard]] training::state_blocks blocks() noexcept {
    blocks_ = {{{"parameters", model_->block()}, {"m", moments_.m.span()}, {"v", moments_.v.span()}}};
    return blocks_;
  }

  [[nodiscard]] std::string describe() const {
    return cat(optimiser_.describe(), " peak=", schedule_.peak, " warmup=", schedule_.warmup, " total=", schedule_.total,
               " seed=", options_.seed, " dropout=", options_.dropout, "/", options_.attention_dropout,
               " accumulate=", options_.accumulate, " head_rate=", options_.head_rate,
               std::same_as<Precision, precision::f32> ? "" : " products=bf16", " parameters=", model_->count());
  }

  Model* model_;
  Objective objective_;
  Optimiser optimiser_;
  Schedule schedule_;
  training_options options_;
  E executor_;
  buffer<float> gradients_;
  typename Optimiser::state moments_;
  std::uint64_t done_ = 0, written_ = 0;
  stop_flag stop_;
  std::filesystem::path kept_;
  keep_options keep_;
  std::array<std::pair<const char*, std::span<float>>, 3> blocks_;
};

}  // namespace bert
