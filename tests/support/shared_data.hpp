// Where the development data is, if it is.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>

namespace support {

/// $BERT_SHARED/data/<name>, or ../shared/data/<name> beside the repository. Says so on standard output if it is absent.
[[nodiscard]] inline std::optional<std::filesystem::path> shared_data(const std::string& name) {
  const char* given = std::getenv("BERT_SHARED");
#ifdef BERT_SOURCE_DIR
  const std::filesystem::path beside = std::filesystem::path(BERT_SOURCE_DIR) / ".." / "shared";
#else
  const std::filesystem::path beside = "../shared";
#endif
  const auto path = (given != nullptr ? std::filesystem::path(given) : beside) / "data" / name;
  if (std::filesystem::exists(path)) return path;
  std::cout << "skipped: " << name << " is not there (set BERT_SHARED)\n";
  return std::nullopt;
}

}  // namespace support
