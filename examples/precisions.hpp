// The precisions of the example programs.
#pragma once

#include <string>
#include <type_traits>
#include <vector>

#include "bert/model/session.hpp"
#include "bert/model/tape.hpp"

namespace precisions {

inline const std::vector<std::string> names{"f32", "bf16", "int8"};

/// Calls `body(std::type_identity<P>{})` with the precision `name`, one of `names`.
template <class Body>
void by_name(const std::string& name, Body&& body) {
  if (name == "bf16") body(std::type_identity<bert::precision::bf16>{});
  else if (name == "int8") body(std::type_identity<bert::precision::int8>{});
  else body(std::type_identity<bert::precision::f32>{});
}

/// The precisions of training's matrix products.
inline const std::vector<std::string> trained{"f32", "bf16"};

/// Calls `body(activations, precision)` with policies for a trainer; `name` is one of `trained`.
template <class Body>
void training(bool recompute, const std::string& name, Body&& body) {
  const auto with = [&](auto kept) {
    if (name == "bf16") body(kept, bert::precision::bf16{});
    else body(kept, bert::precision::f32{});
  };
  if (recompute) with(bert::activations::recompute{});
  else with(bert::activations::keep{});
}

}  // namespace precisions
