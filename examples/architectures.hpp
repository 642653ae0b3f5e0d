// The architectures compiled into the example programs: the published ones and the demo's.
#pragma once

#include <string_view>
#include <type_traits>

#include "bert/pipeline/choose.hpp"

/// The demo's model: small enough to learn its facts in a minute or two on two cores.
struct pocket : bert::architecture_of<bert::dims{
                    .vocab = bert::dynamic, .hidden = 128, .layers = 2, .heads = 4, .intermediate = 512, .positions = 64}> {};

namespace architectures {

/// Names to compile, separated by commas; empty: all. Each adds half a minute or more to compiling a training program; set
/// BERT_EXAMPLE_ARCHITECTURES=tiny in CMake for one.
#ifdef BERT_EXAMPLE_ARCHITECTURES
inline constexpr std::string_view wanted = BERT_EXAMPLE_ARCHITECTURES;
#else
inline constexpr std::string_view wanted = "";
#endif

constexpr bool is_wanted(std::string_view name) {
  if (wanted.empty()) return true;
  for (std::string_view rest = wanted;;) {
    const auto end = rest.find(',');
    if (rest.substr(0, end) == name) return true;
    if (end == std::string_view::npos) return false;
    rest.remove_prefix(end + 1);
  }
}

template <class Kept, class... Rest>
struct only {
  using type = Kept;
};
template <class... Kept, class First, class... Rest>
struct only<bert::choices<Kept...>, First, Rest...>
    : std::conditional_t<is_wanted(First::name), only<bert::choices<Kept..., First>, Rest...>,
                         only<bert::choices<Kept...>, Rest...>> {};

template <class Choices>
struct of;
template <class... Named>
struct of<bert::choices<Named...>> : only<bert::choices<>, Named...> {};

}  // namespace architectures

/// What `pretrain` trains.
using published = architectures::of<bert::published>::type;
/// Add your own here: programs open folders whose config.json has the sizes of one of these.
using compiled = architectures::of<bert::published::with<bert::named<"pocket", pocket>>>::type;
