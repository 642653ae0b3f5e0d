// finetune --task embed --dense N: a dense layer behind the pooling, trained with the rest and saved in 2_Dense.
#include <charconv>
#include <string_view>

#include "bert/heads/dense.hpp"
#include "finetune/embed.hpp"

namespace finetune {

namespace {

template <class Pooling, class Dense>
struct with {
  /// Vectors of a dense layer: trained with kept activations and f32 products alone, so that compiling them all takes minutes
  /// less.
  template <class A>
  struct task : embedding<A, Pooling, Dense> {
    static constexpr bool plain = true;
    using embedding<A, Pooling, Dense>::embedding;
  };
};

/// Calls `body(std::type_identity<Dense>{})` with the dense layer "N:activation". Returns whether it is compiled.
template <class Body>
bool by_name(int outputs, std::string_view activation, Body&& body) {
  const auto of_size = [&]<int N, class... Activations>(std::integral_constant<int, N>, bert::type_list<Activations...>) {
    return N == outputs && ((bert::pipelines::dense_activation_name<Activations>() == activation &&
                             (body(std::type_identity<bert::heads::dense<N, Activations>>{}), true)) ||
                            ...);
  };
  return [&]<int... N>(std::integer_sequence<int, N...>) {
    return (of_size(std::integral_constant<int, N>{}, dense_activations{}) || ...);
  }
  (dense_sizes{});
}

std::string compiled_list() {
  std::string sizes, activations;
  [&]<int... N>(std::integer_sequence<int, N...>) { (sizes.append(sizes.empty() ? "" : ", ").append(std::to_string(N)), ...); }
  (dense_sizes{});
  [&]<class... F>(bert::type_list<F...>) {
    (activations.append(activations.empty() ? "" : " or ").append(bert::pipelines::dense_activation_name<F>()), ...);
  }(dense_activations{});
  return "one of " + sizes + ", then :" + activations + " (tanh if left out)";
}

}  // namespace

void embed_dense(const settings& s, const bert::checkpoint& files, const std::string& pooling, const std::string& dense) {
  const std::string from = s.dense.empty() ? s.model + ", Dense" : "--dense";
  const std::size_t colon = dense.find(':');
  const std::string_view activation = colon == std::string::npos ? "tanh" : std::string_view(dense).substr(colon + 1);
  int outputs = 0;
  const char* const end = dense.data() + std::min(colon, dense.size());
  if (std::from_chars(dense.data(), end, outputs).ptr != end) outputs = 0;
  if (pooling != "mean" && pooling != "cls")
    throw bert::error({from, "the pooling mean or cls, which are compiled with a dense layer", pooling, {}});
  if (s.recompute || s.precision != "f32")
    throw bert::error({from, "a training in f32 that keeps its activations",
                       s.recompute ? "--recompute" : "--precision " + s.precision, "leave that out"});
  const bool found = by_name(outputs, activation, [&]<class Dense>(std::type_identity<Dense>) {
    if (pooling == "cls") train<with<bert::pooling::cls, Dense>::template task>(s, files);
    else train<with<bert::pooling::mean, Dense>::template task>(s, files);
  });
  if (!found) throw bert::error({from, compiled_list(), '"' + dense + '"', "add others to finetune/embed.hpp and build anew"});
}

}  // namespace finetune
