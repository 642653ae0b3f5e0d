// What all tasks of finetune share: the model, the training with its outputs, the last line.
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "architectures.hpp"
#include "augmentation.hpp"
#include "bert/checkpoint/checkpoint.hpp"
#include "bert/data/augmenting.hpp"
#include "bert/data/by_epoch.hpp"
#include "bert/evaluation/evaluate.hpp"
#include "bert/metrics/figures.hpp"
#include "bert/training/averaged.hpp"
#include "bert/training/fit.hpp"
#include "bert/training/mixout.hpp"
#include "bert/training/reinitialize.hpp"
#include "bert/training/unfreezing.hpp"
#include "dry_run.hpp"
#include "finetune/labels.hpp"
#include "finetune/regularized.hpp"
#include "finetune/settings.hpp"
#include "optimizers.hpp"
#include "page.hpp"
#include "precisions.hpp"
#include "support.hpp"

namespace finetune {

/// A file of one row every `log_every` steps, and one at the end of each epoch with the figures of --dev.
class csv_log {
 public:
  /// Goes on after the rows of a training that is resumed; else begins anew.
  csv_log(const std::string& path, bool resumed, std::span<const std::string_view> figures) {
    if (path.empty()) return;
    const bool header = !resumed || !std::filesystem::exists(bert::path_from(path));
    out_.exceptions(std::ios::badbit | std::ios::failbit);
    try {
      out_.open(bert::path_from(path), (header ? std::ios::trunc : std::ios::app) | std::ios::binary);
    } catch (const std::ios_base::failure&) {
      throw bert::error({path, "a file to write the log to", "an error", "check the path and its permissions"});
    }
    columns_ = figures.size();
    if (!header) return;
    out_ << "step,epoch,loss,learning_rate,tokens_per_second";
    for (const auto name : figures) out_ << ",dev_" << name;
    out_ << std::endl;
  }
  void row(const bert::step_report& step, double loss, std::span<const double> figures = {}) {
    if (!out_.is_open()) return;
    out_ << step.index << ',' << step.epoch + 1 << ',' << loss << ',' << step.rate << ',' << step.tokens_per_second;
    for (std::size_t i = 0; i < columns_; ++i) {
      out_ << ',';
      if (i < figures.size()) out_ << figures[i];
    }
    out_ << std::endl;
  }

 private:
  std::ofstream out_;
  std::size_t columns_ = 0;
};

/// What tasks over two sets of one type share: the sets, the batches, the evaluation, the names of the labels.
template <class Set>
class set_task {
 public:
  /// Of the training examples, with --augment of others in every epoch.
  [[nodiscard]] auto batches() const {
    std::vector<decltype(train_.batches(1))> sources;
    for (const Set& set : augmented_) sources.push_back(set.batches(settings_->batch, drawn(*settings_)));
    if (sources.empty()) sources.push_back(train_.batches(settings_->batch, drawn(*settings_)));
    return bert::data::by_epoch(std::move(sources));
  }
  [[nodiscard]] std::uint64_t train_tokens() const { return (augmented_.empty() ? train_ : augmented_[0]).tokens(); }
  template <class Model, class E>
  [[nodiscard]] auto evaluate(const Model& model, const E& threads) const {
    return bert::evaluate(model, dev_.batches(settings_->batch, {.order = bert::data::order::sequential}), threads);
  }
  template <class Report>
  [[nodiscard]] static std::string table(const Report& report) {
    return bert::cat(report);
  }

  std::vector<std::string> names;
  std::string why_new;

 protected:
  /// `read(path, augment)` reads a file; that of --train first.
  template <class Read>
  set_task(const settings& s, const chosen_labels& chosen, const Read& read) : set_task(s, chosen.why_new, read) {
    names = chosen.names.names();
  }
  template <class Read>
  set_task(const settings& s, std::string why, const Read& read)
      : why_new(std::move(why)),
        settings_(&s),
        train_(read(s.train, bert::data::as_read{})),
        dev_(read(s.dev, bert::data::as_read{})) {
    if constexpr (std::invocable<const Read&, const std::string&, bert::data::with_variants<bert::data::eda>>)
      if (!s.augment.empty()) augment(s, read);
  }
  template <class Read>
  void augment(const settings& s, const Read& read) {
    const auto recipe = augmentation::recipe::parse(s.augment);
    auto eda = augmentation::eda(s.synonyms, s.words, recipe.alpha, s.seed);
    if constexpr (bert::data::lists_tags<typename Set::targets>) (void)read(s.train, bert::data::learning_tags(eda));
    for (unsigned epoch = 0; epoch < s.epochs; ++epoch)
      augmented_.push_back(read(s.train, bert::data::with_variants(eda, {.copies = recipe.copies, .epoch = epoch})));
    std::cout << "augmented to " << augmented_[0].size() << " examples, others in every epoch, with alpha " << recipe.alpha
              << '\n';
  }

  /// Prints how large the sets are, the labels if there are any, and what was guessed and cut.
  void tell(const char* what, int max_tokens) const {
    std::cout << "train " << train_.size() << ' ' << what << ", dev " << dev_.size();
    if (!names.empty()) std::cout << ", labels " << bert::labels::listed(bert::labels::dynamic_set(names));
    std::cout << '\n';
    support::tell_about(settings_->train, train_, max_tokens, std::cout);
    support::tell_about(settings_->dev, dev_, max_tokens, std::cout);
  }

  const settings* settings_;
  Set train_, dev_;
  std::vector<Set> augmented_;  ///< one an epoch; none without --augment
};

/// The average of the weights that is evaluated and saved, for a training of `total` steps.
inline bert::training::averaged average_of(const settings& s, std::uint64_t total) {
  using bert::training::average_kind;
  if (s.ema > 0 && s.swa) throw bert::error({"--ema and --swa", "one of them", "both", "choose one"});
  if (s.swa) return {.kind = average_kind::equal, .from = total / 2};
  return {.kind = s.ema > 0 ? average_kind::moving : average_kind::none, .decay = s.ema};
}

/// Unfreezes the layers and the embeddings one after the other in the first half of a training of `total` steps.
template <class Model>
bert::training::unfreezing unfreezing_of(const settings& s, std::uint64_t total) {
  return {.every = s.unfreeze ? std::max<std::uint64_t>(1, total / 2 / (Model::architecture::layers + 1)) : 0};
}

/// Calls `body(activations, precision)` with the policies of the command line. Of a task that is `plain` only the usual ones
/// are compiled; it has refused others.
template <class Task, class Body>
void with_policies(const settings& s, Body&& body) {
  if constexpr (requires { requires Task::plain; }) body(bert::activations::keep{}, bert::precision::f32{});
  else precisions::training(s.recompute, s.precision, body);
}

/// Trains a task.
///
/// A task has
///  - `model_type`, `part` (what its head is called), `names` and `why_new` (see chosen_labels);
///  - `Task(settings, checkpoint, tokenizer)`, which reads its files and prints what it found;
///  - `logits`, what its objective's logits are (regularized.hpp);
///  - `batches()`, `objective()`, `train_tokens()`, and `groups(settings, layer_decay)` if its parameters learn at rates of
///  their own;
///  - `evaluate(model, threads)`, a report with figures, and `sections(page, model, tokenizer, threads)`, its part of the page;
///  - `load(checkpoint)`, if the folder's model may have another head, from which that of the task is made;
///  - a name that no other task has, in a namespace without name either: g++ 12 gives train<Task> of one name one symbol;
///  - `decoding(report)`, if the folder keeps settings that were tuned on dev: it prints and returns them.
template <template <class> class Task>
void train(const settings& s, const bert::checkpoint& files) {
  compiled::by_config(files.config(), [&]<class A>(std::type_identity<A>) {
    using task_type = Task<A>;
    using model_type = typename task_type::model_type;
    const auto threads = support::start_threads(s.threads);
    bert::pipelines::reading_notes notes;
    const auto tokenizer = files.tokenizer(&notes);
    support::tell(notes, std::cout);
    task_type task(s, files, tokenizer);
    using report_type = decltype(task.evaluate(std::declval<const model_type&>(), threads));
    if (!s.best.empty() && bert::labels::find(report_type::figure_names, s.best) < 0)
      throw bert::error({"--best", "a figure of " + s.task + ": " + bert::metrics::figure_list<report_type>(), s.best, {}});

    const bert::random_options initial{.seed = s.seed, .vocab = files.config().vocab, .labels = task.names};
    auto model = [&] {
      if (s.from_scratch) return model_type::random(initial);
      if constexpr (requires { task.load(files); }) {
        if (task.why_new.empty()) return task.load(files);
      } else {
        if (task.why_new.empty()) return files.load<model_type>();
      }
      return files.load<bert::model<A>>().template with_head<typename task_type::head>(initial);
    }();
    if (!s.from_scratch && !task.why_new.empty()) support::tell(files.notes<bert::model<A>>(), std::cout);
    std::cout << "model " << model.count() << " parameters, " << (s.from_scratch ? "random" : "from " + s.model) << '\n'
              << task_type::part << ' '
              << (!task.why_new.empty() ? "new, as " + task.why_new
                  : task.names.empty()  ? "from " + s.model
                                        : "from " + s.model + ", as its labels are these")
              << std::endl;

    if (s.reinit > 0) {
      bert::training::reinitialize(model, s.reinit, initial);
      std::cout << "new random weights for the pooler and the " << s.reinit << " top layers, as --reinit asks\n";
    }
    const auto batches = task.batches();
    const std::uint64_t in_epoch = batches.batches_per_epoch(), total = in_epoch * s.epochs;
    const bert::optim::layer_decay layers{.factor = s.layer_decay, .frozen = s.freeze};
    const auto groups = [&] {
      if constexpr (requires { task_type::groups(s, layers); }) return task_type::groups(s, layers);
      else return layers;
    }();
    using objective_type = std::remove_cvref_t<decltype(task.objective())>;
    const regularized<objective_type, task_type::logits> objective(task.objective(), s);
    const bert::training::averaged average = average_of(s, total);
    const bert::training::mixout mixout{.rate = s.mixout, .seed = s.seed};
    const auto unfreezing = unfreezing_of<model_type>(s, total);
    const optimizers::any optimizer(s.optimizer, s.weight_decay);
    const optimizers::schedule schedule{.name = s.schedule};
    if (s.dry_run) {
      with_policies<task_type>(s, [&](auto kept, auto p) {
        support::dry_run(total, static_cast<double>(task.train_tokens()) * s.epochs, model, objective, batches, threads, kept,
                         p, groups, average, mixout, unfreezing);
      });
      return;
    }
    csv_log log(s.log, !s.keep.empty() && std::filesystem::exists(bert::path_from(s.keep)), report_type::figure_names);
    support::progress bar("finetune");
    double loss = 0;
    std::uint64_t steps = 0, done = 0;
    std::optional<report_type> last;  // of the model as it is
    std::vector<double> losses, rates;
    std::vector<std::vector<double>> by_epoch;
    const support::signals signals;
    using clock = std::chrono::steady_clock;
    clock::duration evaluating{};
    const auto on_step = [&](const bert::step_report& step) {
      last.reset();
      done = step.index;
      losses.push_back(step.loss);
      rates.push_back(static_cast<double>(step.rate));
      loss += step.loss;
      ++steps;
      const bool epoch_done = step.index % in_epoch == 0;
      const double mean = loss / static_cast<double>(steps);
      if (epoch_done || step.index % s.log_every == 0) {
        bar.clear();
        std::cout << "step " << step.index << " of " << total << " loss " << mean << " lr " << step.rate << " tokens/s "
                  << static_cast<std::uint64_t>(step.tokens_per_second) << std::endl;
        if (!epoch_done) log.row(step, mean);
        loss = 0;
        steps = 0;
      }
      bar.show(step.index, total, bert::cat("loss ", step.loss));
      if (epoch_done) {
        const auto before = clock::now();
        last = task.evaluate(model, threads);
        evaluating += clock::now() - before;
        bar.clear();
        std::cout << "epoch " << step.epoch + 1 << ' ' << last->line() << std::endl;
        const auto figures = last->figures();
        log.row(step, mean, figures);
        by_epoch.emplace_back(figures.begin(), figures.end());
      }
      return signals.received() == 0;
    };
    bert::fit_options<model_type> recipe{.epochs = s.epochs,
                                         .learning_rate = s.lr,
                                         .head_learning_rate = s.head_lr,
                                         .warmup = s.warmup,
                                         .weight_decay = s.weight_decay,
                                         .dropout = s.dropout,
                                         .attention_dropout = s.dropout,
                                         .seed = s.seed,
                                         .patience = s.patience,
                                         .keep = bert::path_from(s.keep),
                                         .keep_every = s.every};
    if (!s.best.empty())
      recipe.keep_best = [&](const model_type& m) {
        if (!last) last = task.evaluate(m, threads);
        return bert::metrics::score(*last, s.best);
      };
    const auto start = clock::now();
    with_policies<task_type>(s, [&](auto kept, auto p) {
      bert::fit(model, objective, batches, recipe, threads, kept, p, groups, average, mixout, unfreezing, optimizer, schedule,
                on_step);
    });
    bar.clear();
    const auto seconds = [](clock::duration t) { return html::print("%.1f", std::chrono::duration<double>(t).count()); };
    std::cout << "trained in " << seconds(clock::now() - start - evaluating) << " s, evaluated in " << seconds(evaluating)
              << " s\n";
    if (signals.received() != 0 && done < total)
      throw support::stopped(signals.received(),
                             bert::cat("stopped by ", signals.name(), " after step ", done,
                                       s.keep.empty() ? "; nothing was saved"
                                                      : "; the state is in " + s.keep + ", the same command goes on from it"));
    if (done != 0 && done < total)
      std::cout << "stopped early, as " << s.best << " did not get better in " << s.patience << " epochs\n";
    if (!last || !s.best.empty()) last = task.evaluate(model, threads);
    std::cout << *last;
    if (s.report.ends_with(".html")) {
      html::page page("Fine-tuning: " + s.task, s.command);
      const auto values = last->figures();
      for (std::size_t i = 0; i < values.size(); ++i)
        page.tile(html::print("%.4f", values[i]), std::string(report_type::figure_names[i]) + " on " + s.dev);
      page.section("Loss", "Of every step, faint, and a running mean.", html::line_chart({{"loss", "a", losses}}, "%g"),
                   html::page::size::half);
      page.section("Learning rate", schedule.words(), html::line_chart({{"rate", "a", rates}}, "%.1e"), html::page::size::half);
      if (by_epoch.size() > 1) {
        for (std::size_t i = 0; i < values.size(); ++i) {
          std::vector<double> values_of;
          for (const auto& epoch : by_epoch) values_of.push_back(epoch[i]);
          page.section(
              std::string(report_type::figure_names[i]), "On " + s.dev + " after each epoch.",
              html::line_chart({{std::string(report_type::figure_names[i]), "a", std::move(values_of)}}, "%g", "epoch"),
              html::page::size::half);
        }
      }
      task.sections(page, *last, model, tokenizer, threads);
      page.write(s.report);
    } else if (!s.report.empty()) {
      bert::io::write_file(bert::path_from(s.report), task_type::table(*last));
    }
    if (!s.out.empty()) {
      if constexpr (requires { task.decoding(*last); })
        bert::save(bert::path_from(s.out), model, tokenizer, task.decoding(*last));
      else bert::save(bert::path_from(s.out), model, tokenizer);
      std::cout << "saved " << s.out << '\n';
    }
    std::cout << "dev " << last->line() << '\n';
  });
}

}  // namespace finetune
