// Whether a folder's head is used or a new one made, and the names of the classes or tags.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "bert/checkpoint/checkpoint.hpp"
#include "bert/labels/dynamic_set.hpp"
#include "finetune/settings.hpp"

namespace finetune {

/// The names of a head's labels, and why the folder's head is not used; empty if it is.
struct chosen_labels {
  bert::labels::dynamic_set names;
  std::string why_new;
};

/// Whether both have the same labels, in any order. "LABEL_0", … of a folder match the labels 0, … of a file.
inline bool agree(std::vector<std::string> folder, std::vector<std::string> file) {
  if (folder.size() != file.size()) return false;
  bool unnamed = true, numbers = true;
  for (std::size_t i = 0; i < folder.size(); ++i) {
    unnamed = unnamed && folder[i] == "LABEL_" + std::to_string(i);
    numbers = numbers && file[i] == std::to_string(i);
  }
  std::sort(folder.begin(), folder.end());
  std::sort(file.begin(), file.end());
  return folder == file || (unnamed && numbers);
}

/// Why no head of the folder is used, whatever its labels; empty if one may be.
template <class Model>
std::string why_no_head(const settings& s, const bert::checkpoint& files) {
  if (s.from_scratch) return "all weights are random";
  if (s.new_head) return "--new-head asks for one";
  return files.holds<Model>() ? std::string() : s.model + " has none";
}

/// The same where the folder's classifier may be of another kind.
template <class Model>
std::string why_no_classifier(const settings& s, const bert::checkpoint& files) {
  std::string why = why_no_head<Model>(s, files);
  if (!why.empty()) return why;
  try {
    (void)files.label_names<Model>();  // throws for another kind
  } catch (const bert::error& e) {
    why = bert::cat("that of the folder is of another kind (", e.what(), ')');
  }
  return why;
}

/// The same where the folder's classifier must give one number.
template <class Model>
std::string why_no_regression(const settings& s, const bert::checkpoint& files) {
  std::string why = why_no_classifier<Model>(s, files);
  const std::size_t labels = files.config().labels.size();
  if (why.empty() && labels != 1 && files.config().problem_type != "regression")
    why = bert::cat("that of ", s.model, " is for ", labels, " labels");
  return why;
}

/// The labels `found` in the training file, or the folder's where they are the same; `part` is what the head is called.
template <class Model>
chosen_labels choose_labels(const settings& s, const bert::checkpoint& files, bert::labels::dynamic_set found,
                            const std::string& part) {
  std::string why = why_no_head<Model>(s, files);
  if (!why.empty()) return {std::move(found), std::move(why)};
  try {
    const auto theirs = files.label_names<Model>();
    if (agree(theirs, found.names())) return {bert::labels::dynamic_set(theirs), {}};
    why = "that of " + s.model + " is for the labels " + bert::labels::listed(bert::labels::dynamic_set(theirs));
  } catch (const bert::error& e) {
    why = bert::cat("that of the folder is no ", part, " of these labels (", e.what(), ')');
  }
  return {std::move(found), std::move(why)};
}

}  // namespace finetune
