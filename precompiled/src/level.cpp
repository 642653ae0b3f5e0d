// One level of the library: the headers compiled for one instruction set. BERT_PRECOMPILED_OPEN names the exported function.
// cmake/isolate.cmake hides everything else, as the linker would merge std::vector's functions of one level with those of
// another.
#include <algorithm>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>

#include "bert/checkpoint/checkpoint.hpp"
#include "bert/heads/pooling.hpp"
#include "bert/model/session.hpp"
#include "bert/pipeline/choose.hpp"
#include "bert/pipeline/portions.hpp"
#include "bert/text/unicode/lower.hpp"
#include "engine.hpp"
#include "precompiled_models.hpp"
#include "tasks.hpp"

namespace bert::precompiled {
namespace {

template <class A, class Precision>
class engine_of final : public engine {
 public:
  engine_of(std::string_view name, const checkpoint& files, const options& o)
      : engine(name, static_cast<std::size_t>(A::hidden)),
        run_(o.threads),
        frozen_(files.freeze<bert::model<A>, Precision>(run_)) {
    try {
      sentences_ = files.sentences();
    } catch (const error&) {
      fault_ = std::current_exception();  // hidden() does not need it
    }
    max_tokens_ = longest_sentence(o);
    if (has_tokenizer(files.folder())) tokenizer_.emplace(files.tokenizer());
    else where_ = files.folder().string();
  }

  [[nodiscard]] task does() const noexcept override { return task::embed; }
  [[nodiscard]] rows hidden(std::span<const sequence> sequences) const override {
    const token_batch all = batch_of(sequences);
    rows out(all.tokens(), dimension());
    pipelines::encode_portions(frozen_, all, run_, [&](std::size_t s, matrix<const float> x) {
      for (std::size_t t = 0; t < x.rows; ++t) std::copy_n(x.row(t), x.cols, out[all.starts()[s] + t].begin());
    });
    return out;
  }
  [[nodiscard]] rows embed(std::span<const sequence> sequences, pooling how) const override {
    return embed(batch_of(sequences), how);
  }
  [[nodiscard]] rows embed(std::span<const std::string_view> sentences, pooling how) const override {
    if (!tokenizer_)
      throw error({where_, "a vocabulary, vocab.txt or tokenizer.json", "neither", "add one, or encode ids instead of text"});
    const sentence_settings& use = settings(how);
    const std::string prompt = use.prompt({}, where_);
    token_batch all;
    for (const auto sentence : sentences) {
      const std::string text = prompt + std::string(sentence);
      tokenizer_->encode_into(all, use.lowercase ? text::lowercased(text) : text, {.max_tokens = max_tokens_});
    }
    return embed(all, how);
  }

 private:
  static bool has_tokenizer(const std::filesystem::path& folder) {
    return std::filesystem::exists(folder / "vocab.txt") || std::filesystem::exists(folder / "tokenizer.json");
  }

  [[nodiscard]] const sentence_settings& settings(pooling how) const {
    if (fault_ && how == pooling::folder) std::rethrow_exception(fault_);
    return sentences_;
  }

  [[nodiscard]] std::size_t longest_sentence(const options& o) const {
    const std::size_t most = static_cast<std::size_t>(A::positions);
    const std::size_t wanted = o.max_tokens == 0 ? sentences_.max_tokens : o.max_tokens;
    const std::size_t n = wanted == 0 ? most : std::min(wanted, most);
    if (n < 3) throw error({"bert::precompiled::options", "max_tokens of 3 or more: [CLS], a piece and [SEP]", cat(n), {}});
    return n;
  }

  static token_batch batch_of(std::span<const sequence> sequences) {
    token_batch all;
    for (const sequence& s : sequences) all.add(s.ids, s.segments);
    return all;
  }

  [[nodiscard]] rows embed(const token_batch& all, pooling how) const {
    if (how == pooling::folder) {
      const auto& named = settings(how).pooling;
      how = named == "cls" ? pooling::cls : named == "max" ? pooling::max : pooling::mean;
    }
    rows out(all.sequences(), dimension());
    pipelines::encode_portions(frozen_, all, run_, [&](std::size_t s, matrix<const float> x) {
      switch (how) {
        case pooling::folder:
        case pooling::mean: bert::pooling::mean::pool(x, out[s]); break;
        case pooling::max: bert::pooling::max::pool(x, out[s]); break;
        case pooling::cls: bert::pooling::cls::pool(x, out[s]); break;
      }
      to_unit_length(out[s]);
    });
    return out;
  }

  execution::threads run_;
  frozen<bert::model<A>, Precision> frozen_;
  std::optional<text::tokenizer> tokenizer_;
  std::string where_;
  sentence_settings sentences_;
  std::exception_ptr fault_;
  std::size_t max_tokens_ = 0;
};

}  // namespace
}  // namespace bert::precompiled

extern "C" bert::precompiled::engine* BERT_PRECOMPILED_OPEN(const std::filesystem::path& folder,
                                                            const bert::precompiled::options& o, bool by_head) {
  using namespace bert::precompiled;
  const bert::checkpoint files(folder);
  std::unique_ptr<engine> made;
  if (by_head) made = open_task(files, o);
  if (made) return made.release();
  models::by_config(files.config(), [&]<class A>(std::type_identity<A>) {
    with_precision(o.precision, [&]<class Precision>(std::type_identity<Precision>) {
      made = std::make_unique<engine_of<A, Precision>>(model_name<A>, files, o);
    });
  });
  return made.release();
}
