// The sizes of a BERT, and the architecture type made of them.
// Layer: model. Test: tests/unit/model/dims_test.cpp, tests/compile_fail. Paper: Devlin et al. 2019, "BERT".
#ifndef BERT_MODEL_DIMS_HPP
#define BERT_MODEL_DIMS_HPP

#include <concepts>

#include "bert/core/ensure.hpp"
#include "bert/layers/forward.hpp"
#include "bert/tensor/view.hpp"

namespace bert {

/// The sizes of an architecture. `vocab = bert::dynamic` leaves the vocabulary open until a model is constructed.
struct dims {
  int vocab = dynamic;
  int hidden = 0;
  int layers = 0;
  int heads = 0;
  int intermediate = 0;
  int positions = 512;
  int segments = 2;
  int norm_epsilon_exponent = -12;  ///< layer norm adds 10^this to the variance

  constexpr bool operator==(const dims&) const = default;
};

/// Shown in diagnostics only.
namespace fact {
template <int>
struct hidden {};
template <int>
struct heads {};
template <int>
struct layers {};
template <int>
struct intermediate {};
template <int>
struct positions {};
template <int>
struct vocab {};
/// A tensor's name as a template argument.
struct tensor_name {
  char text[64]{};
  constexpr bool operator==(const tensor_name&) const = default;
};
/// The name as text, which g++ prints, and letter by letter for clang, which prints text as numbers.
template <tensor_name Name, char... Letters>
struct repeated_tensor {};
}  // namespace fact

/// Policies of the feed-forward activation, with their names in config.json.
namespace activation {
using kernels::gelu_erf;   // "gelu", the default
using kernels::gelu_tanh;  // "gelu_new", google-research/bert
using kernels::relu;       // "relu"
}  // namespace activation

/// Derive from this to name an architecture: `struct pocket : bert::architecture_of<bert::dims{.vocab = 8'192, …}> {};`
///
/// Its modules (layers/module.hpp) are BERT's by default. `Layer` is the type of all encoder layers, for example
/// `bert::layers::post_norm<bert::activation::gelu_tanh>`, or one of your own (tests/unit/guide/own_layer_test.cpp).
template <dims D, class Layer = layers::post_norm<>, class Embeddings = layers::embeddings, class Pooler = layers::pooler>
struct architecture_of {
  static_assert(
      ensure<(D.hidden > 0 && D.layers > 0 && D.heads > 0 && D.intermediate > 0),
             facts<fact::hidden<D.hidden>, fact::layers<D.layers>, fact::heads<D.heads>, fact::intermediate<D.intermediate>>>,
      "bert::dims: hidden, layers, heads and intermediate must be positive; name each of them in dims{…}");
  static_assert(
      ensure<(D.heads > 0 && D.hidden % (D.heads > 0 ? D.heads : 1) == 0), facts<fact::hidden<D.hidden>, fact::heads<D.heads>>>,
      "bert::dims: hidden must be a multiple of heads; change .hidden or .heads");
  static_assert(ensure<(D.vocab == dynamic || D.vocab > 0), facts<fact::vocab<D.vocab>>>,
                "bert::dims: vocab must be positive or bert::dynamic; change .vocab");
  static_assert(ensure<(D.positions > 0 && D.segments > 0), facts<fact::positions<D.positions>>>,
                "bert::dims: positions and segments must be positive; change .positions or .segments");

  static constexpr dims dimensions = D;
  using embedding_module = Embeddings;
  using layer_module = Layer;
  using pooler_module = Pooler;

  static constexpr int vocab = D.vocab, hidden = D.hidden, layers = D.layers, heads = D.heads, intermediate = D.intermediate,
                       positions = D.positions, segments = D.segments, head_dim = D.hidden / (D.heads > 0 ? D.heads : 1);
  static constexpr float norm_epsilon = [] {
    double e = 1;
    for (int i = 0; i > D.norm_epsilon_exponent; --i) e /= 10;
    return static_cast<float>(e);
  }();
};

/// DistilBERT: a BERT without segments and pooler. Heads that read the pooler read its pre_classifier.
///
///     struct pocket : bert::distilbert_of<bert::dims{.vocab = 8'192, .hidden = 256, .layers = 2, .heads = 4, .intermediate =
///     1'024}> {};
template <dims D, class Layer = layers::post_norm<>>
struct distilbert_of : architecture_of<D, Layer, layers::embeddings_without_segments, layers::distilbert_pooler> {};

/// A discriminator of ELECTRA whose embeddings have the hidden size, as electra-base and electra-large have. Heads that read
/// the pooler read the dense layer of its classifier.
template <dims D, class Layer = layers::post_norm<>>
struct electra_of : architecture_of<D, Layer, layers::embeddings, layers::electra_pooler> {};

/// A type derived from `architecture_of`.
template <class A>
concept architecture = requires {
  { A::dimensions } -> std::convertible_to<dims>;
  typename A::embedding_module;
  typename A::layer_module;
  typename A::pooler_module;
  { A::head_dim } -> std::convertible_to<int>;
};

namespace detail {
constexpr dims replace_vocab(dims d, int vocab) {
  d.vocab = vocab;
  return d;
}
constexpr dims replace_positions(dims d, int positions) {
  d.positions = positions;
  return d;
}
}  // namespace detail

/// `A` with a vocabulary whose size is given when a model is constructed or loaded.
template <architecture A>
struct open_vocabulary : architecture_of<detail::replace_vocab(A::dimensions, dynamic), typename A::layer_module,
                                         typename A::embedding_module, typename A::pooler_module> {};

/// `A` for sequences of up to `Positions` tokens.
template <architecture A, int Positions>
struct with_positions : architecture_of<detail::replace_positions(A::dimensions, Positions), typename A::layer_module,
                                        typename A::embedding_module, typename A::pooler_module> {};

}  // namespace bert

#endif  // BERT_MODEL_DIMS_HPP
