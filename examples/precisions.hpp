// The precisions that the example programs can compute in.
#pragma once

#include <string>
#include <type_traits>
#include <vector>

#include "bert/model/session.hpp"

namespace precisions {

inline const std::vector<std::string> names{"f32", "bf16", "int8"};

/// Calls `body(std::type_identity<P>{})` with the precision of that name, one of `names`.
template <class Body>
void by_name(const std::string& name, Body&& body) {
  if (name == "bf16") body(std::type_identity<bert::precision::bf16>{});
  else if (name == "int8") body(std::type_identity<bert::precision::int8>{});
  else body(std::type_identity<bert::precision::f32>{});
}

}  // namespace precisions
