// A save is atomic: whichever of its system calls fails, or is the last one before a kill, the folder is the old or the new
// one. Layer: tests.
// POSIX only: it stands in for system calls, and kills a child process.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <map>
#include <set>

#include "bert/checkpoint/checkpoint.hpp"
#include "bert/heads/classify.hpp"
#include "bert/labels/dynamic_set.hpp"
#include "support/golden.hpp"
#include "support/golden_models.hpp"
#include "support/system_faults.hpp"
#include "unit/io/scratch.hpp"

using namespace bert;
using namespace bert::testing;
using support::faults::act;

namespace {

using classifier = model<open_vocabulary<golden::pocket>, heads::classify<labels::dynamic_set>>;

struct version {
  classifier weights;
  text::tokenizer tokenizer;

  void save_to(const std::filesystem::path& folder) const { save(folder, weights, tokenizer); }
};

/// Versions of a model that agree in all shapes and differ in weights, names of classes and vocabulary.
version version_of(int number) {
  auto pieces = std::vector<std::string>{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  for (int i = 0; i < 40; ++i) pieces.push_back(cat("piece", number * 100 + i));
  const std::vector<std::string> names =
      number == 1 ? std::vector<std::string>{"no", "yes"} : std::vector<std::string>{"yes", "no"};
  return {classifier::random({.seed = static_cast<std::uint64_t>(number), .vocab = 45, .labels = names}),
          text::tokenizer(text::vocabulary(pieces))};
}

using files = std::map<std::string, std::string>;
files files_of(const std::filesystem::path& folder) {
  files all;
  if (std::filesystem::exists(folder))
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      all[entry.path().filename().string()] = entry.is_regular_file() ? slurp(entry.path()) : "no file";
  return all;
}

/// The version that bert::checkpoint opens, 0 if it refuses the folder, -1 for a mixture.
int found_in(const std::filesystem::path& folder, const version& one, const version& two) {
  try {
    const checkpoint opened(folder);
    const auto m = opened.load<classifier>();
    const auto t = opened.tokenizer();
    for (const auto& [number, v] : {std::pair{1, &one}, {2, &two}})
      if (std::equal(m.block().begin(), m.block().end(), v->weights.block().begin(), v->weights.block().end()) &&
          m.label_names() == v->weights.label_names() && t.vocabulary() == v->tokenizer.vocabulary())
        return number;
    return -1;
  } catch (const error&) {
    return 0;
  }
}

const version one = version_of(1), two = version_of(2);

}  // namespace

TEST_CASE("whichever writing system call of a save fails, the old folder is unchanged, or the new one is complete") {
  for (const bool there : {true, false})
    for (const int code : {ENOSPC, EIO}) {
      std::set<std::string> kinds;
      int calls = 1;
      for (int n = -1; n < calls; ++n) {  // the first time nothing fails, to count the calls
        const scratch dir;
        const auto folder = dir.folder() / "deep" / "model";
        if (there) {
          one.save_to(folder);
          std::ofstream(folder / "tokenizer.json") << "of the old vocabulary";
          std::ofstream(folder / "notes.txt") << "of the user";
        }
        const auto before = files_of(folder);
        const std::string message =
            message_of([&] { support::faults::with(act::fail, n, code, [&] { two.save_to(folder); }); });
        const auto made = support::faults::current().seen;
        if (n < 0) {
          calls = static_cast<int>(made.size());
          CHECK(calls > 15);
          CHECK(message == "");
          continue;
        }
        REQUIRE(n < static_cast<int>(made.size()));
        const std::string call = made[static_cast<std::size_t>(n)];
        kinds.insert(call.substr(0, call.find(' ')));
        CAPTURE(call);
        if (message.empty()) {  // it failed after the renames: a folder that cannot be synced, an old file that stays
          CHECK((call.starts_with("fsync") || call.starts_with("unlink")));
          CHECK(found_in(folder, one, two) == 2);
          CHECK_FALSE(std::filesystem::exists(folder / "tokenizer.json"));
        } else {
          CHECK(has(message, code == EIO ? "Input/output error" : "No space left"));
          CHECK(files_of(folder) == before);
          if (!there) CHECK_FALSE(std::filesystem::exists(dir / "deep"));
        }
        two.save_to(folder);  // and the next save succeeds
        CHECK(found_in(folder, one, two) == 2);
        CHECK(files_of(folder).size() == (there ? 5 : 4));
      }
      for (const char* kind : {"open", "ftruncate", "write", "fsync"}) CHECK(kinds.contains(kind));
      CHECK(kinds.contains(there ? "renameat2" : "rename"));
      CHECK(kinds.contains(there ? "unlink" : "mkdir"));
    }
}

TEST_CASE("after a kill at any writing system call of a save, the folder is the old or the new one, or is refused") {
  std::map<int, int> outcomes;
  for (int n = 0, status = 0;; ++n) {
    const scratch dir;
    one.save_to(dir / "model");
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      support::faults::with(act::kill, n, 0, [&] { two.save_to(dir / "model"); });
      ::_exit(0);
    }
    REQUIRE(::waitpid(child, &status, 0) == child);
    if (WIFEXITED(status)) {
      REQUIRE(WEXITSTATUS(status) == 0);
      break;  // there is no n-th call
    }
    CAPTURE(n);
    const int found = found_in(dir / "model", one, two);
    CHECK(found >= 0);
    ++outcomes[found];
    if (found == 0)
      CHECK(has(message_of([&] {
                  (void)checkpoint(dir / "model").load<classifier>();
                  (void)checkpoint(dir / "model").tokenizer();
                }),
                "a save was cut off: rename "));
    two.save_to(dir / "model");
    CHECK(found_in(dir / "model", one, two) == 2);
    CHECK(files_of(dir / "model").size() == 4);
  }
  CHECK(outcomes[1] > 10);  // all writes come before the first exchange
  CHECK(outcomes[0] <= 3);  // between the four exchanges
  CHECK(outcomes[2] > 0);
}

TEST_CASE("on a file system that cannot exchange names, a save still writes, and renames nothing before all is on disk") {
  const scratch dir;
  one.save_to(dir / "model");
  for (int n = 0; n < 60; ++n) {
    bool exchange = false;
    support::faults::with(act::fail, n, EINVAL, [&] {
      try {
        two.save_to(dir / "model");
      } catch (const error&) {
      }
    });
    exchange = n < static_cast<int>(support::faults::current().seen.size()) &&
               support::faults::current().seen[static_cast<std::size_t>(n)].starts_with("renameat2");
    if (exchange) CHECK(found_in(dir / "model", one, two) == 2);
    one.save_to(dir / "model");
  }
}

TEST_CASE("content that cannot be saved is refused before a file is changed") {
  const scratch dir;
  one.save_to(dir / "model");
  const auto before = files_of(dir / "model");
  auto bad = version_of(2);
  bad.weights.block()[1234] = std::numeric_limits<float>::quiet_NaN();
  CHECK(has(message_of([&] { bad.save_to(dir / "model"); }), "finite numbers, found nan"));
  CHECK(has(message_of([&] { bad.save_to(dir / "new"); }), "bert.embeddings."));
  CHECK_FALSE(std::filesystem::exists(dir / "new"));
  const auto named = classifier::random({.seed = 1, .vocab = 45, .labels = {"fine", "caf\xe9"}});
  CHECK(has(message_of([&] { save(dir / "model", named, two.tokenizer); }), "UTF-8"));
  std::filesystem::create_directory(dir / "blocked");
  std::filesystem::create_directory(dir.folder() / "blocked" / "vocab.txt");
  CHECK(has(message_of([&] { two.save_to(dir / "blocked"); }), "vocab.txt: expected a file to write, found a folder"));
  CHECK(has(message_of([&] { check_save(dir / "blocked"); }), "vocab.txt: expected a file to write, found a folder"));
  CHECK(std::distance(std::filesystem::directory_iterator(dir / "blocked"), {}) == 1);
  CHECK(files_of(dir / "model") == before);
  CHECK_NOTHROW(check_save(dir / "model"));
  CHECK_NOTHROW(check_save(dir.folder() / "a" / "b"));
}

TEST_CASE("a vocabulary or a config.json of another save is refused; folders of other programs are not checked") {
  const scratch dir;
  one.save_to(dir / "one");
  two.save_to(dir / "two");
  std::filesystem::copy_file(dir.folder() / "two" / "vocab.txt", dir.folder() / "one" / "vocab.txt",
                             std::filesystem::copy_options::overwrite_existing);
  CHECK(has(message_of([&] { (void)checkpoint(dir / "one").tokenizer(); }),
            "as model.safetensors was saved with, found 45 pieces"));
  auto config = io::read_json(dir.folder() / "two" / "config.json");
  config["vocab_size"] = 46;
  std::ofstream(dir.folder() / "two" / "config.json") << config.dump();
  CHECK(has(message_of([&] { (void)checkpoint(dir / "two").load<classifier>(); }), "expected vocab_size 45, "));
  // Classes may be renamed by hand.
  one.save_to(dir / "one");
  config = io::read_json(dir.folder() / "one" / "config.json");
  config["id2label"] = {{"0", "bad"}, {"1", "good"}};
  std::ofstream(dir.folder() / "one" / "config.json") << config.dump();
  CHECK(checkpoint(dir / "one").load<classifier>().label_names() == std::vector<std::string>{"bad", "good"});
  // Weights without fingerprints.
  pipelines::save_weights(dir.folder() / "one" / "model.safetensors", two.weights);
  CHECK_NOTHROW((void)checkpoint(dir / "one").tokenizer());
}
