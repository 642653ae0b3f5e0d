// The version of these headers, for the preprocessor and as a string. CMake reads it from here.
// Layer: all. Test: tests/unit/core/version_test.cpp
#ifndef BERT_VERSION_HPP
#define BERT_VERSION_HPP

#include <string_view>

#define BERT_VERSION_MAJOR 0
#define BERT_VERSION_MINOR 1
#define BERT_VERSION_PATCH 0

#define BERT_VERSION_TEXT(number) #number
#define BERT_VERSION_JOINED(major, minor, patch) \
  BERT_VERSION_TEXT(major) "." BERT_VERSION_TEXT(minor) "." BERT_VERSION_TEXT(patch)

namespace bert {

/// `MAJOR.MINOR.PATCH` by Semantic Versioning, for example `0.1.0`; the three numbers are `BERT_VERSION_MAJOR` and so on.
///
///     #if BERT_VERSION_MAJOR == 0 && BERT_VERSION_MINOR < 2
inline constexpr std::string_view version = BERT_VERSION_JOINED(BERT_VERSION_MAJOR, BERT_VERSION_MINOR, BERT_VERSION_PATCH);

}  // namespace bert

#endif  // BERT_VERSION_HPP
