// The interface between precompiled.cpp, compiled for any x86-64, and level.cpp, compiled for each level.
#pragma once

#include "bert/precompiled.hpp"

namespace bert::precompiled {

/// One model, in one precision, at one level.
class engine {
 public:
  engine(std::string_view model, std::size_t dimension) : model_(model), dimension_(dimension) {}
  engine(const engine&) = delete;
  engine& operator=(const engine&) = delete;
  virtual ~engine() = default;

  [[nodiscard]] virtual task does() const noexcept = 0;
  [[nodiscard]] virtual std::span<const std::string> labels() const noexcept { return {}; }

  [[nodiscard]] virtual rows hidden(std::span<const sequence>) const { refuse("vectors of tokens"); }
  [[nodiscard]] virtual rows embed(std::span<const sequence>, pooling) const { refuse("sentence vectors"); }
  [[nodiscard]] virtual rows embed(std::span<const std::string_view>, pooling) const { refuse("sentence vectors"); }
  [[nodiscard]] virtual rows classify(std::span<const std::string_view>, std::span<const std::string_view>) const {
    refuse("classes, labels or numbers");
  }
  [[nodiscard]] virtual std::vector<std::vector<entity>> tag(std::span<const std::string_view>) const { refuse("entities"); }
  [[nodiscard]] virtual precompiled::answer answer(std::string_view, std::string_view) const { refuse("answers"); }

  [[nodiscard]] std::string_view model() const noexcept { return model_; }
  [[nodiscard]] std::size_t dimension() const noexcept { return dimension_; }

 private:
  [[noreturn]] void refuse(const char* wanted) const {
    constexpr const char* gives[] = {"sentence vectors", "classes, labels or numbers", "entities", "answers"};
    throw error({"bert::precompiled", std::string("a model that gives ") + wanted,
                 std::string("one that gives ") + gives[static_cast<std::size_t>(does())], "see reader::does()"});
  }

  std::string_view model_;
  std::size_t dimension_;
};

/// The only symbol of a level visible to the linker. The caller owns the result. Not `by_head`: an encoder, whatever head the
/// folder has.
using open_function = engine*(const std::filesystem::path& folder, const options& o, bool by_head);

}  // namespace bert::precompiled
