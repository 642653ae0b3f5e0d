// Chooses an architecture at run time, by name or by a folder's sizes, among those that a program was compiled with.
// Layer: pipeline. Test: tests/unit/pipeline/choose_test.cpp
#ifndef BERT_PIPELINE_CHOOSE_HPP
#define BERT_PIPELINE_CHOOSE_HPP

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "bert/checkpoint/model_config.hpp"
#include "bert/core/error.hpp"
#include "bert/core/fixed_string.hpp"
#include "bert/core/isa.hpp"
#include "bert/model/presets.hpp"

namespace bert::inline BERT_ISA {

/// An architecture and its name on a command line.
template <fixed_string Name, architecture A>
struct named {
  static constexpr std::string_view name = Name.view();
  using type = A;
};

/// A list of architectures to choose from at run time; the program contains the code of each.
template <class... Named>
struct choices {
  /// These and more: `bert::published::with<bert::named<"pocket", pocket>>`.
  template <class... More>
  using with = choices<Named..., More...>;

  /// "tiny, mini, …"
  [[nodiscard]] static std::string names() {
    std::string text;
    ((text.append(text.empty() ? "" : ", ").append(Named::name)), ...);
    return text;
  }

  /// Calls `body(std::type_identity<A>{})` with the architecture of that name. Throws bert::error if there is none.
  template <class Body>
  static void by_name(std::string_view name, Body&& body) {
    const bool found = ((name == Named::name && (body(std::type_identity<typename Named::type>{}), true)) || ...);
    if (!found) throw_error({"architecture", "one of " + names(), std::string(name), {}});
  }

  /// The same with the first architecture that agrees with `config`. Throws bert::error naming the sizes found.
  template <class Body>
  static void by_config(const model_config& config, Body&& body) {
    const bool found = ((config.is<typename Named::type>() && (body(std::type_identity<typename Named::type>{}), true)) || ...);
    if (!found) throw_error(unknown(config));
  }

 private:
  // Names the keys in which the nearest architecture differs.
  static error::facts unknown(const model_config& config) {
    std::string_view nearest;
    std::vector<std::string> keys;
    (
        [&] {
          auto differ = config.differences<typename Named::type>();
          if (!nearest.empty() && differ.size() >= keys.size()) return;
          nearest = Named::name;
          keys = std::move(differ);
        }(),
        ...);
    std::string found = cat("hidden ", config.hidden, ", layers ", config.layers, ", heads ", config.heads, ", intermediate ",
                            config.intermediate, ", positions ", config.positions, ", ", config.activation);
    if (!keys.empty()) found += cat("; nearest is ", nearest, ", but");
    for (const auto& key : keys) found += (&key == keys.data() ? " " : ", ") + key;
    return {config.where, "an architecture that this program was compiled with: " + names(), std::move(found),
            "add it to the program's list of architectures and compile again"};
  }
};

/// The published sizes with any vocabulary, without BERT-Large: add it in a list of your own.
using published =
    choices<named<"tiny", open_vocabulary<arch::tiny>>, named<"mini", open_vocabulary<arch::mini>>,
            named<"small", open_vocabulary<arch::small>>, named<"medium", open_vocabulary<arch::medium>>,
            named<"base", open_vocabulary<arch::base_uncased>>, named<"minilm_l6", open_vocabulary<arch::minilm_l6>>,
            named<"minilm_l12", open_vocabulary<arch::minilm_l12>>>;

}  // namespace bert

#endif  // BERT_PIPELINE_CHOOSE_HPP
