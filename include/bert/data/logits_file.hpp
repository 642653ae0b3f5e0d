// A teacher's logits in a file, keyed by example, so that the teacher runs once for any number of trainings.
// Layer: data. Test: tests/unit/evaluation/write_logits_test.cpp
#ifndef BERT_DATA_LOGITS_FILE_HPP
#define BERT_DATA_LOGITS_FILE_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/io/safetensors.hpp"
#include "bert/io/safetensors_writer.hpp"
#include "bert/tensor/training_batch.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::data {

namespace detail {
/// The key of an example: a hash of its tokens and segments. Equal texts have equal logits.
[[nodiscard]] inline std::uint64_t example_key(std::span<const token_id> ids, std::span<const segment_id> segments) noexcept {
  const auto bytes = [](const auto& values) {
    return std::string_view(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  };
  return hash64().add(bytes(ids)).add(bytes(segments)).value();
}
}  // namespace detail

/// Collects logits and writes them: a safetensors file of `examples` I64 [S] (sorted keys), `rows` I64 [S + 1] (the first row
/// of each example, and the end) and `logits` F32 [R, L].
class logits_writer {
 public:
  /// Adds the rows of every sequence of `batch`: `logits` has one row a sequence or one a token. Throws bert::error for another
  /// number of rows, or of columns than before.
  void add(const token_batch& batch, matrix<const float> logits) {
    const bool tokens = logits.rows == batch.tokens();
    if ((!tokens && logits.rows != batch.sequences()) || (width_ != 0 && width_ != logits.cols))
      throw_error({"bert::data::logits_writer",
                   cat("rows for ", batch.sequences(), " sequences or ", batch.tokens(), " tokens, of one width"),
                   cat(logits.rows, " of ", logits.cols),
                   {}});
    width_ = logits.cols;
    for (std::size_t s = 0; s < batch.sequences(); ++s) {
      const std::uint64_t key = detail::example_key(batch[s], batch.segments(s));
      if (!known_.insert(key).second) continue;
      const std::size_t first = tokens ? batch.starts()[s] : s, count = tokens ? batch.length(s) : 1;
      examples_.push_back({key, values_.size() / width_, count});
      for (std::size_t i = first; i < first + count; ++i) values_.insert(values_.end(), logits.row(i), logits.row(i) + width_);
    }
  }
  /// Throws bert::error with path and reason if the file cannot be written.
  void write(const std::filesystem::path& path) {
    std::sort(examples_.begin(), examples_.end(), [](const example& a, const example& b) { return a.key < b.key; });
    std::vector<std::uint64_t> keys, rows{0};
    std::vector<float> values;
    values.reserve(values_.size());
    for (const auto& [key, first, count] : examples_) {
      keys.push_back(key);
      rows.push_back(rows.back() + count);
      const auto from = values_.begin() + static_cast<std::ptrdiff_t>(first * width_);
      values.insert(values.end(), from, from + static_cast<std::ptrdiff_t>(count * width_));
    }
    const auto integers = [](const char* name, const std::vector<std::uint64_t>& of) {
      return io::stored_tensor{name, io::dtype::i64, {of.size()}, std::as_bytes(std::span(of))};
    };
    const std::array tensors{integers("examples", keys), integers("rows", rows),
                             io::stored("logits", values, {width_ == 0 ? 0 : values.size() / width_, width_})};
    io::write_safetensors(path, tensors);
  }

 private:
  struct example {
    std::uint64_t key;
    std::size_t first, count;  // rows
  };
  std::size_t width_ = 0;
  std::unordered_set<std::uint64_t> known_;
  std::vector<example> examples_;
  std::vector<float> values_;
};

/// The logits of bert::write_logits, or of another program that writes the same tensors. Throws bert::error, naming the file,
/// if they are not these.
class logits_file {
 public:
  explicit logits_file(const std::filesystem::path& path) : path_(path_text(path)) {
    const io::safetensors file(path);
    const auto integers = [&](const char* name) {
      const auto& tensor = file.at(name);
      if (tensor.type != io::dtype::i64 || tensor.shape.size() != 1) fail(cat("a tensor \"", name, "\" of I64, one dimension"));
      std::vector<std::uint64_t> out(tensor.shape[0]);
      if (!out.empty()) std::memcpy(out.data(), tensor.bytes.data(), out.size() * sizeof out[0]);
      return out;
    };
    keys_ = integers("examples");
    rows_ = integers("rows");
    const auto& logits = file.at("logits");
    if (logits.shape.size() != 2) fail("a tensor \"logits\" of two dimensions");
    width_ = logits.shape[1];
    if (rows_.size() != keys_.size() + 1 || rows_.front() != 0 || rows_.back() != logits.shape[0] ||
        !std::is_sorted(keys_.begin(), keys_.end()) || !std::is_sorted(rows_.begin(), rows_.end()))
      fail("sorted keys, and rows that ascend from 0 to the end of the logits");
    values_.resize(logits.size());
    io::to_floats(logits, values_);
  }

  [[nodiscard]] std::size_t size() const noexcept { return keys_.size(); }
  [[nodiscard]] std::size_t width() const noexcept { return width_; }
  /// The rows of an example. Throws bert::error if the file has none of it.
  [[nodiscard]] matrix<const float> of(std::span<const token_id> ids, std::span<const segment_id> segments) const {
    const std::uint64_t key = detail::example_key(ids, segments);
    const auto at = std::lower_bound(keys_.begin(), keys_.end(), key);
    if (at == keys_.end() || *at != key)
      throw_error({path_, "logits of every example of the source", cat("none of one of ", ids.size(), " tokens"),
                   "write them anew with this tokenizer, these files and this length"});
    const auto i = static_cast<std::size_t>(at - keys_.begin());
    return {values_.data() + rows_[i] * width_, static_cast<std::size_t>(rows_[i + 1] - rows_[i]), width_};
  }
  [[nodiscard]] named_facts fingerprint() const {
    hash64 all;
    for (const auto key : keys_) all.add(key);
    return {{"logits",
             all.add(std::string_view(reinterpret_cast<const char*>(values_.data()), values_.size() * sizeof(float))).text()}};
  }

 private:
  [[noreturn]] void fail(std::string expected) const {
    throw_error({path_, std::move(expected), "others", "write the file by bert::write_logits"});
  }
  std::string path_;
  std::vector<std::uint64_t> keys_, rows_;
  std::vector<float> values_;
  std::size_t width_ = 0;
};

namespace detail {
template <class Targets>
struct logits_added;
template <class... Targets>
struct logits_added<target_list<Targets...>> {
  using type = target_list<Targets..., target::logits>;
};
/// The targets of a source and its logits; none where the source does not declare its targets.
template <class Source>
struct targets_with_logits {};
template <class Source>
requires requires { typename Source::targets; }
struct targets_with_logits<Source> {
  using targets = typename logits_added<typename Source::targets>::type;
};
}  // namespace detail

/// A batch_source that brings a teacher's logits with the batches of another:
///
///     bert::write_logits("teacher.logits", teacher, train.batches(64));        // once
///     const bert::data::with_logits batches{train.batches(32), bert::data::logits_file{"teacher.logits"}};
///     bert::fit(student, bert::objectives::distil{bert::objectives::given_logits<>{}, bert::objectives::cross_entropy{}, {…}},
///     batches, …);
template <batch_source Source>
class with_logits : public detail::targets_with_logits<Source> {
 public:
  with_logits(Source source, logits_file file)
      : source_(std::move(source)), file_(std::make_shared<const logits_file>(std::move(file))) {}

  [[nodiscard]] batch_shape capacity() const { return source_.capacity(); }
  [[nodiscard]] std::uint64_t batches_per_epoch() const { return source_.batches_per_epoch(); }
  [[nodiscard]] named_facts fingerprint() const {
    named_facts facts = fingerprint_of(source_);
    append(facts, file_->fingerprint());
    return facts;
  }
  /// Throws bert::error if the file has no logits of an example.
  void load(std::uint64_t step, training_batch& out) const {
    source_.load(step, out);
    out.logits.clear();
    out.logits.reserve(capacity().tokens * file_->width());
    out.logits_width = file_->width();
    for (std::size_t s = 0; s < out.tokens.sequences(); ++s) {
      const auto rows = file_->of(out.tokens[s], out.tokens.segments(s));
      out.logits.insert(out.logits.end(), rows.data, rows.data + rows.rows * rows.cols);
    }
  }

 private:
  Source source_;
  std::shared_ptr<const logits_file> file_;
};

}  // namespace bert::data

#endif  // BERT_DATA_LOGITS_FILE_HPP
