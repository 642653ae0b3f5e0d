// distil --text: a masked language model learns a teacher's on plain text.
#include <iostream>

#include "bert/data/corpus.hpp"
#include "bert/data/pack.hpp"
#include "bert/heads/masked_lm.hpp"
#include "bert/objectives/distil/distil.hpp"
#include "bert/objectives/masked_lm.hpp"
#include "bert/training/trainer.hpp"
#include "distil/settings.hpp"

namespace distil {

namespace {

using pieces_head = bert::heads::masked_lm;
using pieces_teacher = bert::objectives::any_teacher<bert::objectives::soft_kind::pieces>;

template <class A, class E>
void train(const settings& s, const pieces_teacher& from, bert::model<A, pieces_head> student, bool equal_sizes,
           const bert::data::packed& batches, const bert::text::tokenizer& tokenizer, const E& threads) {
  namespace objectives = bert::objectives;
  std::cout << "student " << student.count() << " parameters" << std::endl;
  if (!equal_sizes && s.cosine > 0)
    throw bert::error(
        {"--cosine-weight", "hidden sizes that are equal", "others", "leave it out; --relations 1 compares what has no size"});
  const float cosine = s.cosine >= 0 ? s.cosine : equal_sizes ? 1.0f : 0.0f;
  const objectives::distil objective{from,
                                     objectives::masked_lm<>{},
                                     {.temperature = s.temperature, .soft = s.soft, .hard = s.mlm},
                                     objectives::hidden_cosine{.weight = cosine},
                                     objectives::minilm_v2{.weight = s.relations, .heads = s.relation_heads}};
  const auto warmup = static_cast<std::uint64_t>(static_cast<double>(s.warmup) * static_cast<double>(s.steps));
  bert::trainer trainer{student,
                        objective,
                        bert::optim::adamw{.weight_decay = s.weight_decay, .clip_norm = 1.0f},
                        bert::schedules::warmup_linear{.peak = s.lr, .warmup = warmup, .total = s.steps},
                        bert::training_options{.seed = s.seed, .dropout = s.dropout, .attention_dropout = s.dropout},
                        threads};
  support::progress bar("distil");
  const support::signals signals;
  bert::objectives::loss_terms since;
  for (const auto& step : trainer.over(batches)) {
    since += step.terms;
    if (step.index % s.log_every == 0 || step.index == s.steps) {
      bar.clear();
      std::cout << "step " << step.index << " of " << s.steps << " loss " << since.loss();
      for (const auto& term : since) std::cout << ' ' << term.name << ' ' << term.mean();
      std::cout << " tokens/s " << static_cast<std::uint64_t>(step.tokens_per_second) << std::endl;
      if (step.index != s.steps) since = {};
    }
    bar.show(step.index, s.steps, bert::cat("loss ", step.loss));
    if (signals.received() != 0) trainer.request_stop();
  }
  bar.clear();
  if (signals.received() != 0 && trainer.done() < s.steps)
    throw support::stopped(signals.received(),
                           bert::cat("stopped by ", signals.name(), " after step ", trainer.done(), "; nothing was saved"));
  bert::save(bert::path_from(s.out), student, tokenizer);
  std::cout << "saved " << s.out << "\ntrain mlm=" << since["mlm"].mean() << " masked_accuracy=" << since["mlm"].accuracy()
            << '\n';
}

}  // namespace

void text(const settings& s, const bert::checkpoint& files) {
  compiled::by_config(files.config(), [&]<class A>(std::type_identity<A>) {
    using teacher_model = bert::model<A, pieces_head>;
    if (!files.holds<teacher_model>())
      throw bert::error({s.teacher, "a masked language model", "none", "make one: pretrain --text FILE --out FOLDER"});
    const auto threads = support::start_threads(s.threads);
    bert::pipelines::reading_notes notes;
    const auto tokenizer = files.tokenizer(&notes);
    support::tell(notes, std::cout);
    if (!s.from.empty()) check_vocabulary(s, tokenizer, bert::checkpoint{bert::path_from(s.from)}.tokenizer());
    by_student(s, [&]<class B>(std::type_identity<B>) {
      const bert::data::corpus corpus(bert::path_from(s.text));
      const auto batches = bert::data::pack(
          corpus, tokenizer,
          {.tokens = std::min({s.columns.max_tokens, static_cast<int>(A::positions), static_cast<int>(B::positions)}),
           .batch = s.batch,
           .seed = s.seed,
           .pairs = bert::data::pairing::none},
          threads);
      std::cout << "corpus " << batches.documents() << " documents " << batches.tokens() << " tokens\n";
      const auto model = files.load<teacher_model>();
      using student_model = bert::model<B, pieces_head>;
      const bert::random_options initial{.stddev = 0.02f, .seed = s.seed, .vocab = static_cast<int>(tokenizer.size())};
      auto student = [&] {
        if (s.from.empty()) return student_model::random(initial);
        const bert::checkpoint own{bert::path_from(s.from)};
        return own.holds<student_model>() ? own.load<student_model>()
                                          : own.load<bert::model<B>>().template with_head<pieces_head>(initial);
      }();
      if (s.copy_layers) copy(s, model, student);
      with_teacher<bert::objectives::soft_kind::pieces>(s, model, threads, [&](const pieces_teacher& from) {
        train<B>(s, from, std::move(student), A::hidden == B::hidden, batches, tokenizer, threads);
      });
    });
  });
}

}  // namespace distil
