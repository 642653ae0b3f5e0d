// The life of a BERT in a few minutes: writes a text of invented facts (or takes yours), trains a vocabulary, pretrains,
// answers masked questions, fine-tunes a classifier, a tagger, a reader and an embedder, saves, reloads, and writes a page with
// charts.
//   demo                     the invented facts
//   demo --text FILE         your own text
#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "architectures.hpp"
#include "bert/checkpoint/checkpoint.hpp"
#include "bert/data/corpus.hpp"
#include "bert/data/labeled_set.hpp"
#include "bert/data/pack.hpp"
#include "bert/evaluation/evaluate.hpp"
#include "bert/model/attention_map.hpp"
#include "bert/objectives/cross_entropy.hpp"
#include "bert/objectives/joint.hpp"
#include "bert/objectives/masked_lm.hpp"
#include "bert/objectives/next_sentence.hpp"
#include "bert/pipeline/decoding.hpp"
#include "bert/text/wordpiece/train_wordpiece.hpp"
#include "bert/training/fit.hpp"
#include "bert/training/trainer.hpp"
#include "demo/tasks.hpp"
#include "demo_material.hpp"
#include "demo_page.hpp"
#include "support.hpp"

namespace {

using demo::print;

using demo::objective;
using demo::pretrained;
using classifier = bert::model<pocket, bert::heads::classify<demo::verdict>>;
using examples = bert::data::labeled_set<demo::verdict>;

struct settings {
  std::string text, out = "demo-out";
  std::uint64_t seed = 1, steps = 0;
  std::size_t threads = bert::execution::available_cores();
  float lr = 3e-3f, dropout = 0.0f, mask_rate = 0.25f;
};

class stopwatch {
 public:
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

void heading(int number, const std::string& text) { std::cout << '\n' << number << ". " << text << std::endl; }

struct curves {
  std::vector<double> masked, next, rate;
};

pretrained pretrain(const settings& s, const demo::material& m, const bert::text::tokenizer& tokenizer,
                    const bert::execution::threads& threads, curves& c) {
  const auto batches = bert::data::pack(bert::data::corpus(bert::path_from(m.corpus)), tokenizer,
                                        {.tokens = m.tokens, .batch = m.batch, .seed = s.seed}, threads);
  // A short run needs a larger stddev than hidden size 768's 0.02, and a faster decay of the second moment.
  auto model = pretrained::random({.stddev = 0.05f, .seed = s.seed, .vocab = static_cast<int>(tokenizer.size())});
  const std::uint64_t total = s.steps != 0 ? s.steps : m.steps;
  heading(3, print("Pretraining a BERT of %d layers, %d wide, %zu parameters: %llu steps of %d sequences", pocket::layers,
                   pocket::hidden, model.count(), static_cast<unsigned long long>(total), m.batch));
  objective goal;
  goal.first.rate = s.mask_rate;
  bert::trainer trainer{model,
                        goal,
                        bert::optim::adamw{.beta2 = 0.98f, .weight_decay = 0.01f, .clip_norm = 1.0f},
                        bert::schedules::warmup_linear{.peak = s.lr, .warmup = total / 10, .total = total},
                        bert::training_options{.seed = s.seed, .dropout = s.dropout, .attention_dropout = s.dropout},
                        threads};
  support::progress bar("pretrain");
  double sum = 0, first = 0, speed = 0;
  std::uint64_t count = 0;
  for (const auto& step : trainer.over(batches)) {
    c.masked.push_back(step.terms["mlm"].mean());
    c.next.push_back(step.terms["nsp"].mean());
    c.rate.push_back(static_cast<double>(step.rate));
    sum += step.loss;
    speed += step.tokens_per_second;
    if (step.index == 1) first = step.loss;
    if (++count == std::max<std::uint64_t>(1, total / 12) || step.index == total) {
      const double mean = sum / static_cast<double>(count);
      bar.clear();
      std::cout << print("   step %5llu   loss %6.3f   %6.0f tokens/s   ", static_cast<unsigned long long>(step.index), mean,
                         speed / static_cast<double>(count))
                << std::string(static_cast<std::size_t>(std::clamp(40 * mean / first, 0.0, 40.0)), '#') << std::endl;
      sum = speed = 0;
      count = 0;
    }
    bar.show(step.index, total, print("loss %.3f", step.loss));
  }
  return model;
}

/// Writes the model's candidates into every question. Returns all logits, for bitwise comparison.
template <class Frozen>
std::vector<float> ask(const Frozen& frozen, const bert::text::tokenizer& tokenizer, std::vector<demo::answer>& questions) {
  auto run = frozen.session({.sequences = 1, .tokens = pocket::positions, .scored = pocket::positions});
  std::vector<float> all;
  for (auto& q : questions) {
    const auto logits = run(tokenizer.encode(q.question, {.max_tokens = pocket::positions}));
    if (logits.rows() == 0) continue;  // the [MASK] was truncated
    all.insert(all.end(), logits[0].begin(), logits[0].end());
    const auto best = bert::candidates(logits[0], tokenizer.vocabulary(), 4);
    const auto truth = tokenizer.tokens(q.right);
    if (truth.size() == 1) q.right = truth[0];
    q.correct = best[0].piece == q.right;
    q.candidates.clear();
    for (const auto& k : best) q.candidates.push_back({k.piece, static_cast<double>(k.probability)});
  }
  return all;
}

std::size_t count_right(const std::vector<demo::answer>& questions) {
  return static_cast<std::size_t>(std::count_if(questions.begin(), questions.end(), [](const auto& q) { return q.correct; }));
}

/// Two correct answers per topic, and at most six wrong ones.
std::vector<demo::answer> selection(const std::vector<demo::answer>& questions) {
  std::vector<demo::answer> chosen;
  std::map<std::string, int> of_topic;
  int wrong = 0;
  const int most =
      std::all_of(questions.begin(), questions.end(), [&](const auto& q) { return q.topic == questions[0].topic; }) ? 8 : 2;
  for (const auto& q : questions)
    if (q.correct ? of_topic[q.topic]++ < most : wrong++ < 6) chosen.push_back(q);
  return chosen;
}

examples labeled(const bert::text::tokenizer& tokenizer, const std::vector<std::pair<std::string, int>>& sentences) {
  bert::data::labeled_set_builder<demo::verdict, bert::text::tokenizer> set(tokenizer, {}, pocket::positions);
  for (const auto& [text, label] : sentences) set.add(text, {}, label);
  return std::move(set).build();
}

auto tune(classifier& model, const settings& s, const examples& training, const examples& held_out,
          const bert::execution::threads& threads) {
  bert::fit(model, bert::objectives::cross_entropy{}, training.batches(32, {.seed = s.seed}),
            {.epochs = 6, .learning_rate = 5e-4f, .dropout = 0.1f, .attention_dropout = 0.1f, .seed = s.seed}, threads);
  return bert::evaluate(model, held_out.batches(64), threads);
}

/// The attention map of the layer in which [MASK] attends most strongly to another word, and that layer.
template <class Frozen>
std::pair<bert::attention_probabilities, int> sharpest(const Frozen& frozen, const bert::token_batch& batch) {
  int best = 0;
  float most = -1;
  const std::size_t blank = batch.scored().empty() ? 0 : batch.scored()[0];
  for (int l = 0; l < pocket::layers; ++l) {
    const auto map = bert::attention_map(frozen, batch, static_cast<std::size_t>(l));
    for (std::size_t a = 0; a < map.heads(); ++a)
      for (std::size_t j = 1; j + 2 < map.tokens(); ++j)
        if (j != blank && map[a](blank, j) > most) {
          most = map[a](blank, j);
          best = l;
        }
  }
  return {bert::attention_map(frozen, batch, static_cast<std::size_t>(best)), best};
}

void work(const settings& s) {
  const stopwatch all;
  const auto threads = support::start_threads(s.threads);
  bert::io::check_output_folder(bert::path_from(s.out));
  std::filesystem::create_directories(bert::path_from(s.out));
  std::cout << "bert demo: " << s.threads << (s.threads == 1 ? " thread" : " threads") << ", seed " << s.seed << '\n';

  auto m = s.text.empty() ? demo::from_world(s.out, s.seed) : demo::from_text(s.text, s.out, s.seed);
  heading(1, m.about);
  for (const auto& line : m.show) std::cout << "      " << line << '\n';

  const auto tokenizer =
      bert::text::train_wordpiece(bert::data::corpus(bert::path_from(m.corpus)), {.vocab = m.pieces, .threads = s.threads});
  heading(2, print("A vocabulary of %zu pieces, learned from that text", tokenizer.size()));
  // [MASK] is one piece, so words of several pieces are left out.
  if (!m.has_facts) std::erase_if(m.questions, [&](const auto& q) { return tokenizer.tokens(q.right).size() != 1; });

  curves c;
  const auto model = pretrain(s, m, tokenizer, threads, c);
  const double trained = all.seconds();
  const auto frozen = bert::freeze(model);
  const auto scores = ask(frozen, tokenizer, m.questions);
  const std::size_t right = count_right(m.questions);
  const auto asked =
      m.has_facts
          ? print("%zu questions in phrasings that it never read of those subjects: %zu right", m.questions.size(), right)
          : print("%zu sentences that it never read, a word hidden in each: %zu guessed right", m.questions.size(), right);
  heading(4, asked);
  const auto shown = selection(m.questions);
  for (const auto& q : shown) {
    std::cout << print("   %-6s%-50s", q.correct ? "" : "wrong", q.question.c_str())
              << (q.question.size() > 50 ? "\n           " : "");
    for (const auto& k : q.candidates) std::cout << print("  %s %.0f%%", k.piece.c_str(), 100 * k.probability);
    std::cout << '\n';
  }

  heading(5, "Fine-tuning a classifier: " + m.claim);
  std::cout << "   " << m.how << std::endl;
  const auto training = labeled(tokenizer, m.training), held_out = labeled(tokenizer, m.held_out);
  auto checker = model.with_head<bert::heads::classify<demo::verdict>>({.seed = s.seed});
  const auto report = tune(checker, s, training, held_out, threads);
  auto ignorant = classifier::random({.stddev = 0.05f, .seed = s.seed, .vocab = static_cast<int>(tokenizer.size())});
  const auto without = tune(ignorant, s, training, held_out, threads);
  std::cout << print("   held-out accuracy %.1f %% over %zu sentences; the same model without pretraining %.1f %%\n",
                     100 * report.accuracy(), held_out.size(), 100 * without.accuracy());

  struct task {
    std::string name, heads;  ///< `heads` of the columns of what is shown
    demo::outcome out;
  };
  std::vector<task> tasks;
  int number = 5;
  if (!m.facts.empty()) {
    const auto add = [&](const char* name, const char* heads, const demo::outcome& out) {
      heading(++number,
              bert::cat(name, ": ", out.figure,
                        print(" %.1f %%; the same model without pretraining %.1f %%", 100 * out.with, 100 * out.without)));
      std::cout << "   " << out.how << '\n';
      for (const auto& line : out.shown) std::cout << "      " << line << '\n';
      tasks.push_back({name, heads, out});
    };
    add("Tagging", "sentence; entities", demo::tag_entities(model, tokenizer, m.facts, s.seed, threads));
    add("Reading", "paragraph; question; answer", demo::answer_questions(model, tokenizer, m.facts, s.seed, threads));
    add("Search", "query; nearest sentence", demo::find_sentences(model, tokenizer, m.facts, s.seed, threads));
  }

  const std::string folder = s.out + "/pocket", folder2 = s.out + "/classifier", page_file = s.out + "/demo.html";
  bert::save(bert::path_from(folder), model, tokenizer);
  bert::save(folder2, checker, tokenizer);
  const bert::checkpoint files{bert::path_from(folder)};
  const auto again = ask(files.freeze<pretrained>(), files.tokenizer(), m.questions);
  if (again.size() != scores.size() || std::memcmp(again.data(), scores.data(), scores.size() * sizeof(float)) != 0)
    throw bert::error({folder, "the model that was saved", "one that answers differently", {}});
  heading(++number,
          print("Saved to %s and read back: all %zu scores are the same, bit for bit", folder.c_str(), scores.size()));

  demo::page page("A BERT from nothing", m.about + ". Trained on this machine in one process, from random weights.");
  page.tile(print("%.2f million", static_cast<double>(model.count()) / 1e6),
            print("parameters: %d layers, %d wide, %d heads", pocket::layers, pocket::hidden, pocket::heads));
  page.tile(print("%.0f s", trained), print("of pretraining, %zu steps, %zu threads", c.masked.size(), s.threads));
  page.tile(print("%zu of %zu", right, m.questions.size()),
            m.has_facts ? "held-out questions right" : "hidden words guessed right");
  page.tile(print("%.1f %%", 100 * report.accuracy()),
            print("classifier, held out; %.1f %% without pretraining", 100 * without.accuracy()));
  page.section("Loss", "In nats: every step faint, a running mean over it.",
               demo::line_chart({{"masked words", "a", c.masked}, {"next sentence", "b", c.next}}, "%g"),
               demo::page::size::half);
  page.section("Learning rate", "Linear warm-up over the first tenth, then linear decay.",
               demo::line_chart({{"rate", "a", c.rate}}, "%.4f"), demo::page::size::half);
  std::string cards;
  for (const auto& q : shown) cards += demo::answer_card(q);
  page.section("Masked questions", asked + ". The bars are the model's probabilities for the blank.",
               "<div class='cards'>" + cards + "</div>");
  const auto example = std::find_if(m.questions.begin(), m.questions.end(), [](const auto& q) { return q.correct; });
  const auto batch = tokenizer.encode((example == m.questions.end() ? m.questions.front() : *example).question,
                                      {.max_tokens = pocket::positions});
  const auto [map, layer] = sharpest(frozen, batch);
  page.section("Attention",
               print("Layer %d. Each row is a word, each column what it looks at: the darker, the more. The row of [MASK] "
                     "shows where the answer comes from.",
                     layer + 1),
               demo::attention_panels(map, tokenizer.pieces(batch[0])));
  page.section(
      "Classifier: " + m.claim, m.how,
      print("<table><tr><th>weights at the start<th>held-out accuracy<th>F1<th>loss</tr><tr><td>pretrained<td>%.1f "
            "%%<td>%.3f<td>%.3f</tr>"
            "<tr><td>random<td>%.1f %%<td>%.3f<td>%.3f</tr></table>",
            100 * report.accuracy(), report.f1(), report.loss(), 100 * without.accuracy(), without.f1(), without.loss()));
  for (const auto& t : tasks) {
    page.tile(print("%.1f %%", 100 * t.out.with),
              print("%s, held out; %.1f %% without pretraining", t.out.figure.c_str(), 100 * t.out.without));
    std::string body = "<table><tr><th>" + demo::escaped(t.heads) + "</tr>";
    for (const auto& line : t.out.shown) body += "<tr><td>" + demo::escaped(line) + "</tr>";
    page.section(t.name, t.out.how, body + "</table>");
  }
  page.write(page_file);

  heading(++number, print("Done in %.0f s. Written:", all.seconds()));
  std::cout << "      " << page_file << "   the loss, the answers, what it attends to: open it in a browser\n"
            << "      " << folder << "      the pretrained model; transformers opens it too (BertForPreTraining)\n"
            << "      " << folder2 << "  the classifier (BertForSequenceClassification)\n"
            << "      " << m.corpus << "   the text\n\nTry next:\n"
            << "      cmake --preset release && cmake --build build/release\n"
            << "      build/release/examples/fill_mask --model " << folder << " \"" << shown.front().question << "\"\n"
            << "      build/release/examples/finetune --help\n";
  if (s.text.empty())
    std::cout
        << "      tools/demo --text FILE      the same with a text of yours\n      tools/demo --seed 2         another world\n";
}

}  // namespace

int main(int argc, char** argv) {
  settings s;
  CLI::App app("Trains a small BERT from random weights, uses it, and writes a page about it.", "demo");
  app.option_defaults()->always_capture_default();
  app.add_option("--text", s.text, "a text to train on instead of invented facts: one paragraph per line")
      ->check(CLI::ExistingFile);
  app.add_option("--out", s.out, "folder of all output");
  support::number(app, "--seed", s.seed, "seed of all random numbers and of the facts");
  support::number(app, "--steps", s.steps, "steps of pretraining; 0: depends on the text");
  support::number(app, "--lr", s.lr, "peak learning rate of pretraining", {.least = 0, .above = true});
  support::number(app, "--mask-rate", s.mask_rate, "share of the words masked in pretraining", {.least = 0.05f, .most = 0.6f});
  support::number(app, "--dropout", s.dropout, "rate in pretraining", {.least = 0, .most = 0.9f});
  support::threads_option(app, s.threads);
  return support::run(app, argc, argv, [&] { work(s); });
}
