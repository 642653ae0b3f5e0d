// Hostile JSON, pickles and tables: bounds on time and memory, and running out of memory.
// Layer: tests.
// POSIX only: a child process with a limit of its memory reads the worst.
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "bert/io/json.hpp"
#include "bert/io/pytorch_file.hpp"
#include "bert/io/safetensors.hpp"
#include "bert/io/tensorflow_checkpoint.hpp"
#include "scratch.hpp"
#include "support/checkpoint_writers.hpp"
#include "support/sanitizers.hpp"

using namespace bert::io;
using bert::testing::has;
using bert::testing::message_of;

namespace {

/// A valid file of `count` tensors of one byte: the worst case of a valid header.
std::string many_tensors(std::size_t count) {
  std::string header = "{";
  for (std::size_t i = 0; i < count; ++i) {
    const std::string at = std::to_string(i), next = std::to_string(i + 1);
    header += (i == 0 ? "\"" : ",\"") + at + R"(":{"dtype":"U8","shape":[1],"data_offsets":[)" + at + ',' + next + "]}";
  }
  header += '}';
  std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + std::string(count, 'x');
}

void open(const std::string& bytes) { (void)safetensors(std::as_bytes(std::span(bytes)), "x"); }

template <class F>
double seconds(F&& f) {
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    const std::clock_t begin = std::clock();
    f();
    best = std::min(best, static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC);
  }
  return best;
}

/// Runs `work` in a child whose address space may grow by `more` bytes; its exit status, or 256 and more for a signal.
template <class F>
int status_within(std::size_t more, F&& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::size_t pages = 0;
    if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
      (void)!std::fscanf(file, "%zu", &pages);
      std::fclose(file);
    }
    const rlim_t limit = pages * 4096 + more;
    const rlimit tight{limit, limit};
    ::setrlimit(RLIMIT_AS, &tight);
    try {
      work();
    } catch (const std::bad_alloc&) {
      ::_exit(12);
    } catch (const bert::error&) {
      ::_exit(13);
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

}  // namespace

TEST_CASE("the time of reading is linear: eight times the tensors, tokens or levels take at most sixteen times the time") {
  const auto linear = [](const char* what, const auto& make, const auto& read, std::size_t size) {
    CAPTURE(what);
    const std::string small = make(size), large = make(8 * size);
    CHECK(seconds([&] { read(large); }) < 16 * seconds([&] { read(small); }) + 0.02);
  };
  linear(
      "tensors", many_tensors, [](const std::string& bytes) { open(bytes); }, 5'000);
  const auto parse = [](const std::string& text) { (void)message_of([&] { (void)parse_json(text, "x"); }); };
  linear(
      "objects in an array",
      [](std::size_t n) {
        std::string text = "[";
        for (std::size_t i = 0; i < n; ++i)
          text += std::string(i == 0 ? "" : ",") + R"({"id":)" + std::to_string(i) + R"(,"content":"x"})";
        return text + "]";
      },
      parse, 5'000);
  linear(
      "objects in an object",
      [](std::size_t n) {
        std::string text = "{";
        for (std::size_t i = 0; i < n; ++i) text += (i == 0 ? "\"" : ",\"") + std::to_string(i) + R"(":{"content":"x"})";
        return text + "}";
      },
      parse, 5'000);
  linear(
      "brackets", [](std::size_t n) { return std::string(n, '['); }, parse, 50'000);
  linear(
      "pickled tensors",
      [](std::size_t n) {
        std::vector<support::pickled_tensor> tensors;
        for (std::size_t i = 0; i < n; ++i)
          tensors.push_back({.name = std::to_string(i), .numel = 1, .shape = {1, 1}, .strides = {1, 1}});
        return support::zipped({{"x/data.pkl", support::pickled(tensors)}, {"x/data/0", "1234"}});
      },
      [](const std::string& bytes) { (void)pytorch_file(support::bytes_of(bytes), "x"); }, 500);
  linear(
      "variables of TensorFlow",
      [](std::size_t n) {
        std::vector<support::key_value> entries{{"", support::bundle_header()}};
        for (std::size_t i = 0; i < n; ++i)
          entries.emplace_back(std::to_string(1'000'000 + i), support::bundle_entry({1}, 0, 4, 0));
        return support::table({entries});
      },
      [](const std::string& bytes) { (void)tensorflow_index(support::bytes_of(bytes), "x"); }, 2'000);
  linear(
      "a text of escapes",
      [](std::size_t n) {
        std::string text = "\"";
        for (std::size_t i = 0; i < n; ++i) text += "\\u00e9";
        return text + "\"";
      },
      parse, 50'000);
}

#if !defined(BERT_TESTS_SANITIZED)
TEST_CASE("a header of safetensors takes memory within six times its length, and a hostile one is refused within it") {
  const std::string honest = many_tensors(200'000);  // 11 MB
  CHECK(status_within(6 * honest.size(), [&] { open(honest); }) == 0);
  const auto file = [](std::string header) {
    header.resize(12'000'000, ' ');
    std::uint64_t length = header.size();
    std::string bytes(8, '\0');
    std::memcpy(bytes.data(), &length, 8);
    return bytes + header;
  };
  std::string shape = R"({"a":{"dtype":"U8","shape":[)", metadata = R"({"__metadata__":{)", skipped = R"({"a":{"x":[)";
  for (int i = 0; i < 5'000'000; ++i) shape += "1,", skipped += "1,";
  for (int i = 0; i < 900'000; ++i) metadata += '"' + std::to_string(i) + "\":\"\",";
  for (const std::string& header : {shape, metadata, skipped}) {
    const std::string bytes = file(header);
    CHECK(status_within(6 * bytes.size(), [&] { open(bytes); }) == 13);
  }
}

TEST_CASE("out of memory, reading and using JSON throw std::bad_alloc and never call std::terminate") {
  std::string nested, flat = "[", object = "{";
  for (int i = 0; i < 200; ++i) nested += R"({"a":[[{"b":"a text that is longer than a string holds in itself"},)";
  for (int i = 0; i < 300'000; ++i) {
    flat += R"({"content":"a text that is longer than a string holds in itself"},)";
    object += "\"key number " + std::to_string(i) + " of many\":[1,2,{}],";
  }
  for (const std::string& text : {nested, flat, object})
    for (const std::size_t more : {1u << 20, 3u << 20, 5u << 20, 9u << 20, 13u << 20, 17u << 20, 23u << 20}) {
      const int status = status_within(more, [&] { (void)parse_json(text, "x"); });
      CHECK((status == 12 || status == 13));
    }
  const std::string tensors = many_tensors(100'000);
  for (std::size_t more = 1u << 20; more < 20u << 20; more += 3u << 20) {
    const int status = status_within(more, [&] { open(tensors); });
    CHECK((status == 12 || status == 0));
  }
}
#endif

TEST_CASE("a document beyond a limit of size, depth or values is an error that names the limit") {
  CHECK(has(message_of([] { (void)parse_json("[1, 2, 3]", "x", {.bytes = 8}); }),
            "x: expected JSON of at most 8 bytes, found 9"));
  CHECK(has(message_of([] { (void)parse_json("[1, 2, 3]", "x", {.values = 3}); }), "x: expected JSON of at most 3 values"));
  CHECK_NOTHROW((void)parse_json("[1, 2, 3]", "x", {.values = 4}));
  CHECK(has(message_of([] { (void)parse_json("[[[]]]", "x", {.depth = 2}); }), "x: expected JSON at most 2 levels deep"));
  CHECK_NOTHROW((void)parse_json("[[[]]]", "x", {.depth = 3}));
}

TEST_CASE("unknown keys of a tensor's entry are skipped with any value, and known keys given twice are errors") {
  const auto file = [](const std::string& entry) {
    const std::string header = R"({"a":{)" + entry + "}}";
    std::uint64_t length = header.size();
    std::string bytes(8, '\0');
    std::memcpy(bytes.data(), &length, 8);
    return bytes + header + "x";
  };
  const std::string good = R"("dtype":"U8","shape":[1],"data_offsets":[0,1])";
  CHECK_NOTHROW(open(file(good + R"(,"more":{"dtype":"F32","shape":[[2],{"data_offsets":1}]},"z":[{}, null, 1.5])")));
  for (const char* again : {R"("dtype":"U8")", R"("shape":[1])", R"("data_offsets":[0,1])"})
    CHECK(has(message_of([&] { open(file(good + "," + again)); }), "twice"));
  CHECK(has(message_of([&] { open(file(R"("more":{"dtype":"U8"},"shape":[1],"data_offsets":[0,1])")); }), "the key \"dtype\""));
  CHECK(has(message_of([&] { open(file(R"("dtype":[1],"shape":[1],"data_offsets":[0,1])")); }),
            "\"dtype\": expected a string, found an array"));
}
