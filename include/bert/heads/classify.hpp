// Heads on the pooled first token: one class of a set, one number, or the pooled vector itself.
// Layer: heads. Test: tests/unit/heads/pooled_linear_test.cpp. Paper: Devlin et al. 2019, 3.2.
#pragma once

#include "bert/core/isa.hpp"
#include "bert/heads/pooled_linear.hpp"
#include "bert/labels/dynamic_set.hpp"
#include "bert/labels/label_set.hpp"

namespace bert::inline BERT_ISA::heads {

namespace detail {
template <class Labels>
constexpr int label_outputs() {
  static_assert(ensure<labels::label_set<Labels>, facts<Labels>>,
                "bert::heads::classify: the argument must be a label set; derive a struct from bert::labels::one_of<...>");
  if constexpr (labels::static_label_set<Labels>) return Labels::count;
  else return label_rows;
}
}  // namespace detail

/// logits [S, L] = drop(pooled) W^T + b, one of `Labels` a sequence or a pair; BertForSequenceClassification's tensors.
template <class Labels>
struct classify : pooled_linear<"classifier.weight", "classifier.bias", detail::label_outputs<Labels>(), true> {
  using labels = Labels;
};

/// y [S, 1] = drop(pooled) W^T + b: BertForSequenceClassification with one label.
struct regress : pooled_linear<"classifier.weight", "classifier.bias", 1, true> {};

/// No tensors of its own: its output is the pooler's, as BertModel returns it.
struct pooled {
  static constexpr bool reads_pooler = true;
  static constexpr bool reads_all_rows = false;

  template <class>
  static constexpr auto parameters() {
    return std::array<parameter, 0>{};
  }
  template <class>
  struct packed {
    static constexpr void carve(carver&, const open_sizes&) noexcept {}
    template <executor E>
    packed(const E&, carver&, const head_parameters<const float>&, const open_sizes&) noexcept {}
  };
  template <class A>
  class workspace {
   public:
    constexpr workspace(carver&, const batch_shape&, const open_sizes&) noexcept {}
    template <executor E>
    void run(const E&, const packed<A>&, const encoded& in) noexcept {
      output_ = view<const float, dynamic, A::hidden>(in.pooled.data, in.pooled.rows);
    }
    [[nodiscard]] view<const float, dynamic, A::hidden> output() const noexcept { return output_; }

   private:
    view<const float, dynamic, A::hidden> output_;
  };
  template <class A>
  struct tape {
    constexpr tape(carver&, const batch_shape&, const open_sizes&) noexcept {}
    template <executor E>
    void forward(const E&, const head_parameters<const float>&, const encoded&, const step_noise&) noexcept {}
    template <executor E>
    void backward(const E&, const head_parameters<const float>&, const head_parameters<float>&, const encoded&, matrix<float>, matrix<float>,
                  const step_noise&) noexcept {}
  };
};

}  // namespace bert::heads
