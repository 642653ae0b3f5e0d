// Matrices as tests compare them.
#pragma once

#include <cstddef>
#include <type_traits>
#include <vector>

#include "bert/tensor/view.hpp"

namespace support {

/// The elements of a matrix row by row, without what lies between rows.
template <class T>
std::vector<std::remove_const_t<T>> elements(bert::matrix<T> m) {
  std::vector<std::remove_const_t<T>> all;
  for (std::size_t i = 0; i < m.rows; ++i) all.insert(all.end(), m.row(i), m.row(i) + m.cols);
  return all;
}

}  // namespace support
