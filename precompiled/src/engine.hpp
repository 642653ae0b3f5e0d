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

  [[nodiscard]] virtual rows hidden(std::span<const sequence> sequences) const = 0;
  [[nodiscard]] virtual rows embed(std::span<const sequence> sequences, pooling how) const = 0;
  [[nodiscard]] virtual rows embed(std::span<const std::string_view> sentences, pooling how) const = 0;

  [[nodiscard]] std::string_view model() const noexcept { return model_; }
  [[nodiscard]] std::size_t dimension() const noexcept { return dimension_; }

 private:
  std::string_view model_;
  std::size_t dimension_;
};

/// The only symbol of a level visible to the linker. The caller owns the result.
using open_function = engine*(const std::filesystem::path& folder, const options& o);

}  // namespace bert::precompiled
