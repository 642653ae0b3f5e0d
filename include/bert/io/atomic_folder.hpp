// Writes several files of one folder atomically: all of the new files, or all of the old.
// Layer: io. Test: tests/unit/io/atomic_folder_test.cpp, tests/unit/checkpoint/save_faults_test.cpp
#ifndef BERT_IO_ATOMIC_FOLDER_HPP
#define BERT_IO_ATOMIC_FOLDER_HPP

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <list>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/io/atomic_file.hpp"
#include "bert/io/file_status.hpp"
#include "bert/io/system.hpp"

namespace bert::inline BERT_ISA::io {

namespace detail {
[[noreturn]] inline void no_folder(const std::filesystem::path& folder, std::string found) {
  throw_error({path_text(folder), "a folder to write to", std::move(found), "check the path and its permissions"});
}
}  // namespace detail

/// Throws bert::error unless atomic_folder could write to `folder`: it is a writable folder, or the nearest existing folder
/// above it is writable. Changes nothing.
inline void check_output_folder(const std::filesystem::path& folder) {
  if (folder.empty()) detail::no_folder(folder, "an empty path");
  file_status info;
  for (std::filesystem::path at = folder;; at = detail::folder_of(at)) {
    if (system::status_of(at, info)) {
      if (info.kind != file_kind::folder)
        detail::no_folder(folder, at == folder ? kind_of_file(info) : cat(path_text(at), " is ", kind_of_file(info)));
      if (!system::is_writable(at)) detail::no_folder(folder, cat(reason(errno), ": ", path_text(at)));
      return;
    }
    if (errno != ENOENT || at == at.root_path() || at == ".") detail::no_folder(folder, reason(errno));
    if (system::link_status_of(at, info)) detail::no_folder(folder, cat(path_text(at), " is a link to nothing"));
  }
}

/// Makes a folder and those above it where they are missing; removes what it made unless `keep()` is called.
class made_folder {
 public:
  /// Throws bert::error if the folder does not exist and cannot be made.
  explicit made_folder(std::filesystem::path folder) : folder_(std::move(folder)) {
    if (folder_.empty()) detail::no_folder(folder_, "an empty path");
    if (!folder_.has_filename()) folder_ = folder_.parent_path();
    BERT_TRY { make(folder_); }
    BERT_CATCH(...) {
      remove();
      BERT_RETHROW;
    }
  }
  made_folder(const made_folder&) = delete;
  made_folder& operator=(const made_folder&) = delete;
  ~made_folder() {
    if (!kept_) remove();
  }

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return folder_; }
  void keep() noexcept { kept_ = true; }

 private:
  void make(const std::filesystem::path& at) {
    file_status info;
    if (system::status_of(at, info)) {
      if (info.kind != file_kind::folder)
        detail::no_folder(folder_, at == folder_ ? kind_of_file(info) : cat(path_text(at), " is ", kind_of_file(info)));
      return;
    }
    if (errno != ENOENT) detail::no_folder(folder_, reason(errno));
    if (at.has_parent_path() && at.parent_path() != at) make(at.parent_path());
    made_.push_back(at);
    if (!system::make_folder(at)) {
      const int code = errno;
      made_.pop_back();
      if (code != EEXIST) detail::no_folder(folder_, reason(code));
    }
  }
  void remove() noexcept {
    for (std::size_t i = made_.size(); i-- > 0;) system::remove_folder(made_[i]);
    made_.clear();
  }

  std::filesystem::path folder_;
  std::vector<std::filesystem::path> made_;
  bool kept_ = false;
};

/// Several files of one folder, written under ".part" and renamed together.
///
///     io::atomic_folder out("model");
///     out.file("config.json").write(config);
///     out.file("vocab.txt").write(pieces);
///     out.remove("tokenizer.json");
///     out.commit();
///
/// `commit()` flushes all bytes to disk before it touches the first old file, then exchanges each new file with its old one and
/// removes the files named by `remove`. An error restores the old files; without a `commit()` nothing has changed, and folders
/// that were made are removed. Of two writers of one folder at once, the second throws.
///
/// Not covered: a kill or a power cut between two of the renames. The folder then has old and new files, the others under
/// ".part". bert::checkpoint detects that by the fingerprints in the weights.
class atomic_folder {
 public:
  /// Makes the folder if it does not exist. Throws bert::error if it cannot, or if another writer is at work in it.
  explicit atomic_folder(const std::filesystem::path& folder) : folder_(folder) {
    lock_ = system::lock_folder(folder_.path());
    if (lock_ == system::none)
      detail::no_folder(folder_.path(), errno == EWOULDBLOCK ? "that another writer is at work in it" : reason(errno));
  }
  atomic_folder(const atomic_folder&) = delete;
  atomic_folder& operator=(const atomic_folder&) = delete;
  ~atomic_folder() {
    files_.clear();  // before the folders are removed
    within_.clear();
    system::close(lock_);
  }

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return folder_.path(); }

  /// Makes a folder within this one for further files, if it does not exist; without a `commit()` it is removed again.
  void folder(std::string_view name) { within_.emplace_back(folder_.path() / name); }
  /// A new file, to be written before `commit()`. Throws bert::error if it cannot be opened.
  atomic_file& file(std::string_view name) { return files_.emplace_back(folder_.path() / name); }
  /// Has `commit()` remove a file of that name, if there is one.
  void remove(std::string_view name) { removed_.push_back({folder_.path() / name}); }

  /// Applies all changes, or throws bert::error and leaves the folder unchanged.
  void commit() {
    for (atomic_file& f : files_) f.sync();
    BERT_TRY {
      for (atomic_file& f : files_) f.install();
      for (old_file& f : removed_) f.set_aside();
    }
    BERT_CATCH(...) {
      for (auto f = removed_.rbegin(); f != removed_.rend(); ++f) f->roll_back();
      for (auto f = files_.rbegin(); f != files_.rend(); ++f) f->roll_back();
      BERT_RETHROW;
    }
    for (made_folder& f : within_) system::flush_folder(f.path());
    system::flush_folder(folder_.path());
    for (atomic_file& f : files_) f.drop();
    for (old_file& f : removed_) f.drop();
    for (made_folder& f : within_) f.keep();
    folder_.keep();
  }

 private:
  // A file to remove: renamed first, so that it can be restored.
  struct old_file {
    std::filesystem::path path;
    bool is_aside = false;

    [[nodiscard]] std::filesystem::path part() const { return path_with(path, ".part"); }
    void set_aside() {
      file_status info;
      if (!system::link_status_of(path, info)) return;
      if (info.kind == file_kind::folder) detail::cannot_write(path, "a folder of that name");
      if (!system::rename(path, part())) detail::cannot_write(path, reason(errno));
      is_aside = true;
    }
    void roll_back() {
      if (std::exchange(is_aside, false)) (void)system::rename(part(), path);
    }
    // Also removes what an earlier save could not.
    void drop() const { system::remove(part()); }
  };

  made_folder folder_;
  system::handle lock_ = system::none;
  std::list<made_folder> within_;
  std::list<atomic_file> files_;
  std::vector<old_file> removed_;
};

}  // namespace bert::io

#endif  // BERT_IO_ATOMIC_FOLDER_HPP
