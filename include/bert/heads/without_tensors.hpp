// What heads without tensors share: nothing to learn, nothing to pack.
// Layer: heads. Test: tests/unit/heads/pooled_linear_test.cpp, tests/unit/heads/embedding_test.cpp
#ifndef BERT_HEADS_WITHOUT_TENSORS_HPP
#define BERT_HEADS_WITHOUT_TENSORS_HPP

#include <array>

#include "bert/core/isa.hpp"
#include "bert/model/tape.hpp"

namespace bert::inline BERT_ISA::heads {

/// Base of a head whose output is a function of the encoder's alone.
struct without_tensors {
  template <class>
  static constexpr auto parameters() {
    return std::array<parameter, 0>{};
  }
  template <class>
  struct packed {
    static constexpr void carve(carver&, const open_sizes&) noexcept {}
    template <executor E>
    packed(const E&, carver&, const module_parameters<const float>&, const open_sizes&) noexcept {}
  };
};

}  // namespace bert::heads

#endif  // BERT_HEADS_WITHOUT_TENSORS_HPP
