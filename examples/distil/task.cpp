// distil --train: a classifier learns a teacher's classes on labeled examples.
#include <iostream>
#include <vector>

#include "bert/data/tsv.hpp"
#include "bert/evaluation/evaluate.hpp"
#include "bert/heads/classify.hpp"
#include "bert/heads/hidden_projection.hpp"
#include "bert/metrics/figures.hpp"
#include "bert/objectives/cross_entropy.hpp"
#include "bert/objectives/distil/distil.hpp"
#include "bert/training/fit.hpp"
#include "distil/settings.hpp"

namespace distil {

namespace {

using head = bert::heads::classify<bert::labels::dynamic_set>;
using teacher = bert::objectives::any_teacher<bert::objectives::soft_kind::classes>;
using examples = bert::data::labeled_set<bert::labels::dynamic_set>;
template <class A>
using student_of = bert::model<A, head, bert::heads::hidden_projection<widest>>;

template <class Model, class E>
auto evaluate(const settings& s, const Model& m, const examples& dev, const E& threads) {
  return bert::evaluate(m, dev.batches(s.batch, {.order = bert::data::order::sequential}), threads);
}

/// The student before training: new, or of its folder, with the folder's classifier if that has the teacher's labels.
template <class A>
student_of<A> start(const settings& s, const bert::text::tokenizer& tokenizer, const std::vector<std::string>& labels) {
  const bert::random_options initial{
      .stddev = 0.02f, .seed = s.seed, .vocab = static_cast<int>(tokenizer.size()), .labels = labels};
  if (s.from.empty()) return student_of<A>::random(initial);
  const bert::checkpoint files{bert::path_from(s.from)};
  using classifier = bert::model<A, head>;
  if (files.holds<classifier>() && files.label_names<classifier>() == labels)
    return files.load<classifier>().template with_head<head, bert::heads::hidden_projection<widest>>(initial);
  return files.load<bert::model<A>>().template with_head<head, bert::heads::hidden_projection<widest>>(initial);
}

template <class A, class E>
void train(const settings& s, const teacher& from, student_of<A> student, const examples& train, const examples& dev,
           const bert::text::tokenizer& tokenizer, const E& threads) {
  namespace objectives = bert::objectives;
  std::cout << "student " << student.template with_head<head>({.labels = student.label_names()}).count() << " parameters"
            << std::endl;
  const objectives::distil objective{from,
                                     objectives::cross_entropy{},
                                     {.temperature = s.temperature, .soft = 1 - s.hard_weight, .hard = s.hard_weight},
                                     objectives::hidden_states{.weight = s.hidden},
                                     objectives::attention_scores{.weight = s.attention},
                                     objectives::minilm_v2{.weight = s.relations, .heads = s.relation_heads}};
  const auto batches = train.batches(s.batch, {.seed = s.seed});
  const std::uint64_t in_epoch = batches.batches_per_epoch(), total = in_epoch * s.epochs;
  support::progress bar("distil");
  const support::signals signals;
  bert::objectives::loss_terms since;
  std::uint64_t done = 0;
  bert::fit_options<student_of<A>> recipe{.epochs = s.epochs,
                                          .learning_rate = s.lr,
                                          .warmup = s.warmup,
                                          .weight_decay = s.weight_decay,
                                          .dropout = s.dropout,
                                          .attention_dropout = s.dropout,
                                          .seed = s.seed};
  if (s.best) recipe.keep_best = [&](const auto& m) { return evaluate(s, m, dev, threads).accuracy(); };
  bert::fit(student, objective, batches, recipe, threads, [&](const bert::step_report& step) {
    done = step.index;
    since += step.terms;
    const bool ends = step.index % in_epoch == 0;
    if (ends || step.index % s.log_every == 0) {
      bar.clear();
      std::cout << "step " << step.index << " of " << total << " loss " << since.loss();
      for (const auto& term : since) std::cout << ' ' << (term.name == "loss" ? "hard" : term.name) << ' ' << term.mean();
      std::cout << " tokens/s " << static_cast<std::uint64_t>(step.tokens_per_second) << std::endl;
      since = {};
    }
    if (ends) std::cout << "epoch " << step.index / in_epoch << ' ' << evaluate(s, student, dev, threads).line() << std::endl;
    bar.show(step.index, total, bert::cat("loss ", step.loss));
    return signals.received() == 0;
  });
  bar.clear();
  if (signals.received() != 0 && done < total)
    throw support::stopped(signals.received(),
                           bert::cat("stopped by ", signals.name(), " after step ", done, "; nothing was saved"));
  const auto classifier = std::move(student).template with_head<head>({.labels = student.label_names()});
  const auto report = evaluate(s, classifier, dev, threads);
  bert::save(bert::path_from(s.out), classifier, tokenizer);
  std::cout << "saved " << s.out << "\ndev " << report.line() << '\n';
}

}  // namespace

void task(const settings& s, const bert::checkpoint& files) {
  compiled::by_config(files.config(), [&]<class A>(std::type_identity<A>) {
    using teacher_model = bert::model<A, head>;
    if (!files.holds<teacher_model>())
      throw bert::error(
          {s.teacher, "a classifier", "none", "make one: finetune --model FOLDER --train FILE --dev FILE --out FOLDER"});
    const auto threads = support::start_threads(s.threads);
    bert::pipelines::reading_notes notes;
    const auto tokenizer = files.tokenizer(&notes);
    support::tell(notes, std::cout);
    if (!s.from.empty()) check_vocabulary(s, tokenizer, bert::checkpoint{bert::path_from(s.from)}.tokenizer());
    const auto labels = files.label_names<teacher_model>();
    by_student(s, [&]<class B>(std::type_identity<B>) {
      auto options = s.columns.options();
      options.max_tokens = std::min({options.max_tokens, static_cast<int>(A::positions), static_cast<int>(B::positions)});
      const bert::labels::dynamic_set names(labels);
      const auto train_set = bert::data::tsv(bert::path_from(s.train), tokenizer, names, options),
                 dev = bert::data::tsv(bert::path_from(s.dev), tokenizer, names, options);
      std::cout << "train " << train_set.size() << " examples, dev " << dev.size() << ", labels " << bert::labels::listed(names)
                << '\n';
      support::tell_about(s.train, train_set, options.max_tokens, std::cout);
      support::tell_about(s.dev, dev, options.max_tokens, std::cout);
      const auto model = files.load<teacher_model>();
      auto student = start<B>(s, tokenizer, labels);
      if (s.copy_layers) copy(s, model, student);
      precisions::by_name(s.teacher_precision, [&]<class P>(std::type_identity<P>) {
        const auto report = bert::evaluate<P>(model, dev.batches(s.batch, {.order = bert::data::order::sequential}), threads);
        std::cout << "teacher " << model.count() << " parameters in " << s.teacher_precision << ", dev " << report.line()
                  << '\n';
      });
      with_teacher<bert::objectives::soft_kind::classes>(s, model, threads, [&](const teacher& from) {
        train<B>(s, from, std::move(student), train_set, dev, tokenizer, threads);
      });
    });
  });
}

}  // namespace distil
