// A file that lives as long as a test case.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace support {

class temporary_file {
 public:
  explicit temporary_file(std::string_view contents, std::string_view suffix = ".txt") {
    static int number = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("bert-test-" + std::to_string(::getpid()) + "-" + std::to_string(number++) + std::string(suffix));
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
