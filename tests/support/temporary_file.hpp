// A file that lives as long as a test case.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "bert/core/path.hpp"
#include "platform.hpp"

namespace support {

/// A path in the folder for temporary files, of this call alone, that ends in `name`.
[[nodiscard]] inline std::filesystem::path temporary_path(std::string_view name) {
  static int number = 0;
  return std::filesystem::temp_directory_path() / bert::path_from("bert-test-" + std::to_string(process_id()) + "-" +
                                                                  std::to_string(number++) + "-" + std::string(name));
}

class temporary_file {
 public:
  explicit temporary_file(std::string_view contents, std::string_view suffix = ".txt") : path_(temporary_path(suffix)) {
    std::ofstream(path_, std::ios::binary) << contents;
  }
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;
  ~temporary_file() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace support
