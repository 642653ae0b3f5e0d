// Repeats a short training that another implementation recorded, and compares the losses of all steps.
//   curve TASK FOLDER NAME     NAME.json has the settings and losses, NAME.safetensors the batches and the head's first values
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "bert/bert.hpp"

namespace {

/// What was recorded: settings, losses, batches. As a batch_source, the batches in their order.
class recording {
 public:
  explicit recording(const std::string& name)
      : facts_(bert::io::read_json(name + ".json")), file_(name + ".safetensors"), where_(name) {
    for (std::uint64_t k = 0; k < steps(); ++k) {
      bert::training_batch batch;
      load(k, batch);
      const auto shape = batch.tokens.shape();
      capacity_.sequences = std::max(capacity_.sequences, shape.sequences);
      capacity_.tokens = std::max(capacity_.tokens, shape.tokens);
      capacity_.longest = std::max(capacity_.longest, shape.longest);
    }
  }

  [[nodiscard]] std::uint64_t steps() const { return bert::io::require<std::uint64_t>(facts_, "steps", where_); }
  [[nodiscard]] double number(const char* key) const { return bert::io::require<double>(facts_, key, where_); }
  [[nodiscard]] std::vector<double> losses() const { return bert::io::require<std::vector<double>>(facts_, "losses", where_); }
  [[nodiscard]] std::vector<std::string> names() const {
    return bert::io::require<std::vector<std::string>>(facts_, "names", where_);
  }

  [[nodiscard]] bert::batch_shape capacity() const { return capacity_; }
  [[nodiscard]] std::uint64_t batches_per_epoch() const { return steps(); }
  void load(std::uint64_t step, bert::training_batch& out) const {
    out.clear();
    const auto ids = ints(step, "ids"), segments = ints(step, "segments"), lengths = ints(step, "lengths");
    std::size_t begin = 0;
    for (const auto length : lengths) {
      const auto n = static_cast<std::size_t>(length);
      const std::vector<bert::segment_id> kinds(segments.begin() + static_cast<std::ptrdiff_t>(begin),
                                                segments.begin() + static_cast<std::ptrdiff_t>(begin + n));
      out.tokens.add(std::span(ids).subspan(begin, n), kinds);
      out.keys.push_back(out.keys.size());
      begin += n;
    }
    out.parts.assign(ids.size(), bert::word_part::continues);
    if (has(step, "scored")) {
      const auto scored = ints(step, "scored"), targets = ints(step, "targets");
      out.tags.assign(ids.size(), -1);
      for (std::size_t i = 0; i < scored.size(); ++i) {
        out.tags[static_cast<std::size_t>(scored[i])] = targets[i];
        out.parts[static_cast<std::size_t>(scored[i])] = bert::word_part::begins;
      }
    }
    if (has(step, "start")) {
      const auto first = ints(step, "start"), last = ints(step, "end");
      for (std::size_t s = 0; s < first.size(); ++s) out.spans.push_back({first[s], last[s]});
    }
    if (has(step, "teacher")) {
      const auto& teacher = file_.at(key(step, "teacher"));
      out.logits.resize(teacher.size());
      bert::io::to_floats(teacher, out.logits);
      out.logits_width = teacher.size() / lengths.size();
    }
    if (embeds()) pairs(step, out);
    else if (has(step, "choices")) choices(step, out);
    else if (has(step, "labels") && file_.at(key(step, "labels")).type == bert::io::dtype::f32) {
      out.values.resize(lengths.size());
      bert::io::to_floats(file_.at(key(step, "labels")), out.values);
    } else if (has(step, "labels")) out.labels = ints(step, "labels");
  }

  /// Gives the parameters that the folder does not have their recorded first values.
  template <class Model>
  void initialize(Model& model) const {
    for (const auto& p : model.table()) {
      std::string name = "init." + p.name();
      if (p.stem == "crf.transitions") name = "init.crf.move";
      if (p.stem == "crf.end") name = "init.crf.stop";
      for (const auto& tensor : file_.tensors())
        if (tensor.name == name) bert::io::to_floats(tensor, model.values(p));
    }
  }

 private:
  static std::string key(std::uint64_t step, const char* what) { return std::to_string(step) + "." + what; }
  [[nodiscard]] bool has(std::uint64_t step, const char* what) const {
    const auto& all = file_.tensors();
    return std::any_of(all.begin(), all.end(), [&](const auto& t) { return t.name == key(step, what); });
  }
  [[nodiscard]] std::vector<std::int32_t> ints(std::uint64_t step, const char* what) const {
    const auto& t = file_.at(key(step, what));
    std::vector<std::int32_t> out(t.size());
    std::memcpy(out.data(), t.bytes.data(), out.size() * sizeof(std::int32_t));
    return out;
  }
  [[nodiscard]] bool embeds() const { return bert::io::require<std::string>(facts_, "task", where_) == "embed"; }
  /// The file has all anchors, then their positives, then hard negatives; here each example's sequences are together.
  void pairs(std::uint64_t step, bert::training_batch& out) const {
    const std::size_t examples = ints(step, "labels").size();
    if (out.tokens.sequences() != 2 * examples)
      throw bert::error(
          {where_, "pairs without hard negatives", bert::cat(out.tokens.sequences(), " sequences of ", examples), {}});
    bert::training_batch sorted;
    sorted.groups.push_back(0);
    for (std::size_t i = 0; i < examples; ++i) {
      for (const std::size_t s : {i, examples + i}) sorted.tokens.add(out.tokens[s], out.tokens.segments(s));
      sorted.groups.push_back(2 * i + 2);
    }
    sorted.parts.assign(sorted.tokens.tokens(), bert::word_part::continues);
    for (std::size_t s = 0; s < 2 * examples; ++s) sorted.keys.push_back(s);
    out = std::move(sorted);
  }
  void choices(std::uint64_t step, bert::training_batch& out) const {
    const auto counts = ints(step, "choices"), right = ints(step, "labels");
    out.groups.push_back(0);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      for (std::int32_t c = 0; c < counts[i]; ++c) out.labels.push_back(c == right[i] ? 1 : 0);
      out.groups.push_back(out.groups.back() + static_cast<std::size_t>(counts[i]));
    }
  }

  bert::io::json facts_;
  bert::io::safetensors file_;
  std::string where_;
  bert::batch_shape capacity_{.sequences = 0, .tokens = 0, .longest = 0};
};

/// Trains as recorded, without dropout, and prints the largest relative differences of the losses.
template <class Model, class Objective>
bool repeat(const recording& r, Model model, const Objective& objective) {
  r.initialize(model);
  const auto total = r.steps();
  bert::trainer trainer{
      model,
      objective,
      bert::optim::adamw{.weight_decay = static_cast<float>(r.number("weight_decay")),
                         .clip_norm = static_cast<float>(r.number("clip_norm"))},
      bert::schedules::warmup_linear{.peak = static_cast<float>(r.number("lr")),
                                     .warmup = static_cast<std::uint64_t>(r.number("warmup_steps")),
                                     .total = total},
      bert::training_options{
          .dropout = 0, .attention_dropout = 0, .head_rate = static_cast<float>(r.number("head_lr") / r.number("lr"))},
      bert::execution::threads{2}};
  const auto expected = r.losses();
  double early = 0, all = 0;
  for (const auto& step : trainer.over(r)) {
    const auto i = static_cast<std::size_t>(step.index - 1);
    const double off = std::abs(step.loss - expected[i]) / std::abs(expected[i]);
    const auto grow = [off](double& most) {  // a NaN stays
      if (std::isnan(off) || off > most) most = off;
    };
    if (i < 20) grow(early);
    grow(all);
  }
  std::printf("%llu steps, loss %.6f to %.6f: relative difference at most %.2e in the first 20, %.2e in all\n",
              static_cast<unsigned long long>(total), expected.front(), expected.back(), early, all);
  return early <= 1e-4 && all <= 1e-3;
}

template <class Head>
bert::model<bert::open_vocabulary<bert::arch::mini>, Head> opened(const std::string& folder,
                                                                  const std::vector<std::string>& labels = {}) {
  const bert::checkpoint files{folder};
  return files.load<bert::model<bert::open_vocabulary<bert::arch::mini>>>().template with_head<Head>(
      {.seed = 1, .labels = labels});
}

bool run(const std::string& task, const std::string& folder, const recording& r) {
  using bert::labels::dynamic_set;
  if (task == "classify")
    return repeat(r, opened<bert::heads::classify<dynamic_set>>(folder, r.names()), bert::objectives::cross_entropy{});
  if (task == "tag")
    return repeat(r, opened<bert::heads::tag<dynamic_set>>(folder, r.names()), bert::objectives::tag_cross_entropy{});
  if (task == "tag-crf")
    return repeat(r, opened<bert::heads::crf<dynamic_set>>(folder, r.names()), bert::objectives::negative_log_likelihood{});
  if (task == "span") return repeat(r, opened<bert::heads::span>(folder), bert::objectives::span{});
  if (task == "choice") return repeat(r, opened<bert::heads::choice>(folder), bert::objectives::choice{});
  if (task == "embed")
    return repeat(r, opened<bert::heads::embedding<bert::pooling::mean>>(folder), bert::objectives::multiple_negatives{});
  if (task == "distil-logits") {
    const auto hard = static_cast<float>(r.number("hard"));
    return repeat(
        r, opened<bert::heads::classify<dynamic_set>>(folder, r.names()),
        bert::objectives::distil{bert::objectives::given_logits<>{},
                                 bert::objectives::cross_entropy{},
                                 {.temperature = static_cast<float>(r.number("temperature")), .soft = 1 - hard, .hard = hard}});
  }
  throw bert::error({"TASK", "classify, tag, tag-crf, span, choice, embed or distil-logits", task, {}});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: curve TASK FOLDER NAME\n");
    return 2;
  }
  try {
    return run(argv[1], argv[2], recording(argv[3])) ? 0 : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "curve: %s\n", e.what());
    return 1;
  }
}
