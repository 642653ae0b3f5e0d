// finetune --task tag: a tag of each word, with --crf those of a sentence together.
#include "bert/heads/tag.hpp"

#include "bert/data/conll.hpp"
#include "bert/heads/crf.hpp"
#include "bert/objectives/negative_log_likelihood.hpp"
#include "bert/objectives/tag_cross_entropy.hpp"
#include "bert/pipeline/crf_tagging.hpp"
#include "bert/pipeline/pipeline.hpp"
#include "bert/training/crf_rate.hpp"
#include "finetune/training.hpp"

namespace finetune {

namespace {

using sentences_of_file = bert::data::tagged_set<bert::labels::dynamic_set>;

template <class A, class Head, class Objective>
class tagging : public set_task<sentences_of_file> {
 public:
  using head = Head;
  using model_type = bert::model<A, head>;
  static constexpr const char* part = "tagger";
  static constexpr logits_of logits =
      std::is_same_v<Objective, bert::objectives::tag_cross_entropy> ? logits_of::classes : logits_of::none;

  tagging(const settings& s, const bert::checkpoint& files, const bert::text::tokenizer& tokenizer)
      : tagging(s, tokenizer, options(s),
                choose_labels<model_type>(s, files, bert::data::conll_tags(bert::path_from(s.train), options(s)), part)) {}

  [[nodiscard]] static Objective objective() { return {}; }
  [[nodiscard]] static bert::optim::crf_rate groups(const settings& s, const bert::optim::layer_decay& others) {
    return {.multiple = s.crf ? s.crf_rate : 1, .others = others};
  }

  template <class Report, class E>
  void sections(html::page& page, const Report& report, const model_type& model, const bert::text::tokenizer& tokenizer,
                const E&) const {
    std::string body = "<table><tr><th>type<th>precision<th>recall<th>F1<th>entities<th>predicted</tr>";
    for (const auto& [type, counts] : report.types())
      body += "<tr><td>" + html::escaped(type) +
              html::print("<td>%.3f<td>%.3f<td>%.3f<td>%llu<td>%llu</tr>", counts.precision(), counts.recall(), counts.f1(),
                          static_cast<unsigned long long>(counts.expected), static_cast<unsigned long long>(counts.predicted));
    page.section("Entities", "By type, counted as conlleval does.", body + "</table>");
    worst(page, model, tokenizer);
  }

 private:
  static bert::data::conll_options options(const settings& s) {
    return {.max_tokens = std::min(s.columns.max_tokens, A::positions),
            .stride = s.stride,
            .pieces = s.pieces == "all"    ? bert::data::tagged_pieces::all
                      : s.pieces == "mean" ? bert::data::tagged_pieces::mean
                                           : bert::data::tagged_pieces::first,
            .faulty = s.crf ? bert::data::faulty_tags::respell : bert::data::faulty_tags::keep};
  }
  tagging(const settings& s, const bert::text::tokenizer& tokenizer, const bert::data::conll_options& options,
          const chosen_labels& chosen)
      : set_task(s, chosen,
                 [&](const std::string& path, auto&& augment) {
                   return bert::data::conll(bert::path_from(path), tokenizer, chosen.names, options, augment);
                 }),
        options_(options) {
    std::cout << "train " << train_.size() << " sentences, dev " << dev_.size() << ", tags "
              << bert::labels::listed(chosen.names) << '\n';
    for (const auto* set : {&train_, &dev_}) {
      const auto& path = set == &train_ ? s.train : s.dev;
      support::tell(set->notes(), std::cout);
      if (set->grouped() != 0)
        std::cout << "note: " << path << ": " << set->grouped() << " sentences are read in several windows of "
                  << options.max_tokens << " tokens; --max-tokens changes that\n";
      if (set->truncated() != 0)
        std::cout << "note: " << path << ": " << set->truncated() << " words of more pieces than a window were cut\n";
      support::tell_unknown(path, *set, std::cout);
    }
  }

  /// The sentences with the most wrong words, their words joined by spaces.
  void worst(html::page& page, const model_type& model, const bert::text::tokenizer& tokenizer) const {
    const bert::pipeline answer(model, tokenizer, {.max_tokens = static_cast<std::size_t>(options_.max_tokens)});
    struct row {
      std::size_t wrong = 0;
      std::string html;
    };
    std::vector<row> rows;
    std::vector<bert::data::conll_word> sentence;
    for (bert::data::conll_reader reader(settings_->dev, options_); reader.next(sentence);) {
      std::string text;
      std::vector<std::size_t> ends;  // of each word in `text`
      for (const auto& word : sentence) {
        text.append(text.empty() ? "" : " ").append(word.text);
        ends.push_back(text.size());
      }
      row r;
      const auto tagged = answer(text);
      std::size_t next = 0;
      for (std::size_t i = 0; i < sentence.size(); ++i) {
        // The tag of the first piece that begins in the word.
        const std::size_t begin = i == 0 ? 0 : ends[i - 1];
        while (next < tagged.words.size() && tagged.words[next].bytes.first < begin) ++next;
        const std::string found =
            next < tagged.words.size() && tagged.words[next].bytes.first < ends[i] ? tagged.words[next].tag : "O";
        const bool right = found == sentence[i].tag;
        r.wrong += right ? 0 : 1;
        r.html += html::escaped(sentence[i].text);
        if (!right || found != "O")
          r.html += "<sub>" + html::escaped(right ? found : sentence[i].tag + " → " + found) + "</sub>";
        r.html += ' ';
      }
      if (r.wrong != 0) rows.push_back(std::move(r));
    }
    std::stable_sort(rows.begin(), rows.end(), [](const row& a, const row& b) { return a.wrong > b.wrong; });
    std::string body = "<table><tr><th>wrong words<th>sentence; expected → found</tr>";
    for (std::size_t i = 0; i < std::min<std::size_t>(rows.size(), 20); ++i)
      body += "<tr><td>" + std::to_string(rows[i].wrong) + "<td>" + rows[i].html + "</tr>";
    page.section("Worst sentences", "Of " + settings_->dev + ", the words joined by spaces.", body + "</table>");
  }

  bert::data::conll_options options_;
};

template <class A>
using softmax = tagging<A, bert::heads::tag<bert::labels::dynamic_set>, bert::objectives::tag_cross_entropy>;
template <class A>
using crf = tagging<A, bert::heads::crf<bert::labels::dynamic_set>, bert::objectives::negative_log_likelihood>;

}  // namespace

void tag(const settings& s, const bert::checkpoint& files) {
  if (s.crf) train<crf>(s, files);
  else train<softmax>(s, files);
}

}  // namespace finetune
