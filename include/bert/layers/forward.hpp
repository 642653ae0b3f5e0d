// Forward declarations of an architecture's modules.
// Layer: layers. Test: tests/unit/model/dims_test.cpp
#ifndef BERT_LAYERS_FORWARD_HPP
#define BERT_LAYERS_FORWARD_HPP

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA {

namespace kernels {
struct gelu_erf;
struct gelu_tanh;
struct relu;
}  // namespace kernels

namespace attention {
struct full;
}  // namespace attention

namespace layers {
struct embeddings;
struct embeddings_without_segments;
template <class Activation = kernels::gelu_erf, class Attention = attention::full>
struct post_norm;
struct pooler;
struct distilbert_pooler;
struct electra_pooler;
}  // namespace layers

}  // namespace bert

#endif  // BERT_LAYERS_FORWARD_HPP
