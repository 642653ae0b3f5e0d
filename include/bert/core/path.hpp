// Paths as text in UTF-8, and the C library's files by path.
// Layer: core. Test: tests/unit/core/path_test.cpp
#ifndef BERT_CORE_PATH_HPP
#define BERT_CORE_PATH_HPP

#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA {

/// `path` as text for messages and files: UTF-8 on Windows, where paths are UTF-16 and `path.string()` is in the code page of
/// the machine; elsewhere the bytes of the path.
[[nodiscard]] inline std::string path_text(const std::filesystem::path& path) {
#if defined(_WIN32)
  const std::u8string text = path.u8string();
  return {text.begin(), text.end()};
#else
  return path.string();
#endif
}

/// The path that `text` names, in UTF-8 on Windows: the inverse of `path_text`.
[[nodiscard]] inline std::filesystem::path path_from(std::string_view text) {
#if defined(_WIN32)
  return std::u8string(text.begin(), text.end());
#else
  return text;
#endif
}

/// `path` with `suffix`, such as ".part", after its last character.
[[nodiscard]] inline std::filesystem::path path_with(std::filesystem::path path, std::string_view suffix) {
  return path += suffix;
}

/// std::fopen(path, "rb") for a path of any characters; null if it cannot be opened.
[[nodiscard]] inline std::FILE* open_binary(const std::filesystem::path& path) noexcept {
#if defined(_WIN32)
  return ::_wfopen(path.c_str(), L"rb");
#else
  return std::fopen(path.c_str(), "rb");
#endif
}

}  // namespace bert

#endif  // BERT_CORE_PATH_HPP
