// The safetensors reader: valid files read, damaged and hostile files are errors.
// Layer: tests.
#include "bert/io/safetensors.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "bert/core/random.hpp"
#include "scratch.hpp"

using namespace bert::io;
using bert::testing::has;
using bert::testing::message_of;

namespace {

std::string file_of(const std::string& header, std::size_t data) {
  const std::uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  bytes += header;
  for (std::size_t i = 0; i < data; ++i) bytes += static_cast<char>(i);
  return bytes;
}

safetensors open(const std::string& bytes) { return {std::as_bytes(std::span(bytes)), "x"}; }

std::string refusal(const std::string& header, std::size_t data) {
  const std::string bytes = file_of(header, data);
  return message_of([&] { open(bytes); });
}

std::string tensor(const std::string& name, const std::string& type, const std::string& shape, const std::string& offsets) {
  return '"' + name + R"(": {"dtype": ")" + type + R"(", "shape": )" + shape + R"(, "data_offsets": )" + offsets + '}';
}

}  // namespace

TEST_CASE("tensors are found by name with type, shape and bytes, in the order of their bytes") {
  const std::string bytes = file_of('{' + tensor("a", "F32", "[2, 1]", "[4, 12]") + ", " + tensor("b", "U8", "[4]", "[0, 4]") +
                                        ", " + tensor("empty", "F32", "[0, 7]", "[12, 12]") + ", " +
                                        tensor("scalar", "F16", "[]", "[12, 14]") + R"(, "__metadata__": {"format": "pt"}})",
                                    14);
  const safetensors file = open(bytes);
  REQUIRE(file.tensors().size() == 4);
  CHECK(file.tensors()[0].name == "b");
  CHECK(file.tensors()[1].name == "a");
  CHECK(file.find("a")->shape == std::vector<std::size_t>{2, 1});
  CHECK(file.find("a")->bytes.size() == 8);
  CHECK(file.find("a")->bytes[0] == std::byte{4});
  CHECK(file.find("empty")->size() == 0);
  CHECK(file.find("scalar")->size() == 1);
  CHECK(file.find("c") == nullptr);
  CHECK(file.find("") == nullptr);
  CHECK(file.metadata().at("format") == "pt");
  CHECK(has(message_of([&] { (void)file.at("c"); }), "x: expected a tensor \"c\""));
}

TEST_CASE("a file without tensors is valid") { CHECK(open(file_of("{}", 0)).tensors().empty()); }

TEST_CASE("every float dtype converts to the f32 that it represents") {
  std::string header = '{' + tensor("d", "F64", "[1]", "[0, 8]") + ',' + tensor("f", "F32", "[1]", "[8, 12]") + ',' +
                       tensor("h", "F16", "[2]", "[12, 16]") + ',' + tensor("z", "BF16", "[1]", "[16, 18]") + ',' +
                       tensor("i", "I64", "[1]", "[18, 26]") + '}';
  std::string bytes = file_of(header, 26);
  const auto put = [&]<class T>(std::size_t at, T value) {
    std::memcpy(bytes.data() + 8 + header.size() + at, &value, sizeof value);
  };
  put(0, 0.1);
  put(8, -2.5f);
  put(12, std::uint16_t{0x3C00});
  put(14, std::uint16_t{0x8001});
  put(16, std::uint16_t{0xC040});
  const safetensors file = open(bytes);
  std::vector<float> one(1), two(2);
  to_floats(file.at("d"), one);
  CHECK(one[0] == 0.1f);
  to_floats(file.at("f"), one);
  CHECK(one[0] == -2.5f);
  to_floats(file.at("h"), two);
  CHECK(two[0] == 1.0f);
  CHECK(two[1] == -0x1p-24f);
  to_floats(file.at("z"), one);
  CHECK(one[0] == -3.0f);
  CHECK(has(message_of([&] { to_floats(file.at("i"), one); }), "i: expected a tensor of F32, F16, BF16 or F64, found I64"));
  CHECK(has(message_of([&] { to_floats(file.at("h"), one); }), "h: expected 1 elements, found 2 [2]"));
}

TEST_CASE("rounding to f16 is right for every f16 and for the midpoints between them") {
  for (std::uint32_t h = 0; h < 0x7C00; ++h) {
    const float x = bert::to_float(bert::f16{static_cast<std::uint16_t>(h)});
    CHECK(bert::to_f16(x).bits == h);
    CHECK(bert::to_f16(-x).bits == (h | 0x8000u));
    const float above = h == 0x7BFF ? 65536.0f : bert::to_float(bert::f16{static_cast<std::uint16_t>(h + 1)});
    const float middle = (x + above) / 2;
    CHECK(bert::to_f16(middle).bits == h + (h & 1u));
    CHECK(bert::to_f16(std::nextafter(middle, 0.0f)).bits == h);
    CHECK(bert::to_f16(std::nextafter(middle, 1e9f)).bits == h + 1);
  }
  CHECK(bert::to_f16(1e9f).bits == 0x7C00);
  CHECK(bert::to_f16(-INFINITY).bits == 0xFC00);
  CHECK(std::isnan(bert::to_float(bert::to_f16(NAN))));
}

TEST_CASE("a header of a wrong length is an error") {
  CHECK(has(message_of([] { open(std::string("1234567")); }), "at least 8 bytes, found 7"));
  CHECK(has(message_of([] { open(std::string()); }), "found 0 bytes"));
  CHECK(
      has(message_of([] { open(std::string(8, '\xff') + "{}"); }), "a header of at most 2 bytes, found 18446744073709551615"));
  std::string longer = file_of("{}", 0);
  longer[0] = 3;
  CHECK(has(message_of([&] { open(longer); }), "at most 2 bytes, found 3"));
  CHECK(has(message_of([] { open(std::string(8, '\0')); }), "header: expected JSON"));
  CHECK(has(refusal("[]", 0), "an object as header"));
  CHECK(has(refusal("{\"a\": ", 0), "header: expected JSON"));
}

TEST_CASE("a tensor's entry that does not match the data is an error that names the tensor") {
  CHECK(has(refusal('{' + tensor("a", "F32", "[2]", "[0, 12]") + '}', 8), "bytes within the 8"));
  CHECK(has(refusal('{' + tensor("a", "F32", "[2]", "[8, 0]") + '}', 8), "tensor \"a\""));
  CHECK(has(refusal('{' + tensor("a", "F32", "[3]", "[0, 8]") + '}', 8), "12 bytes for F32 [3], found 8"));
  CHECK(has(refusal('{' + tensor("a", "F16", "[2]", "[0, 8]") + '}', 8), "4 bytes for F16 [2], found 8"));
  CHECK(has(refusal('{' + tensor("a", "F31", "[2]", "[0, 8]") + '}', 8), "found F31"));
  CHECK(has(refusal('{' + tensor("a", "F32", "[-1]", "[0, 8]") + '}', 8), "found -1"));
  CHECK(has(refusal('{' + tensor("a", "F32", "[2.0]", "[0, 8]") + '}', 8), "a whole number"));
  CHECK(has(refusal('{' + tensor("a", "F32", "2", "[0, 8]") + '}', 8), "an array"));
  CHECK(has(refusal('{' + tensor("a", "F32", "[2]", "[0, 8, 8]") + '}', 8), "two data_offsets"));
  CHECK(has(refusal(R"({"a": {"dtype": "F32", "shape": [2]}})", 8), "\"data_offsets\""));
  CHECK(has(refusal(R"({"a": 1})", 0), "an object"));
  CHECK(has(refusal(R"({"__metadata__": {"a": 1}})", 0), "__metadata__"));
  CHECK(has(refusal(R"({"__metadata__": []})", 0), "__metadata__"));
}

TEST_CASE("shapes whose product overflows are errors, also if it wraps around to the right size") {
  CHECK(has(refusal('{' + tensor("a", "F32", "[4294967296, 1073741824]", "[0, 0]") + '}', 0), "more than 2^64 bytes"));
  CHECK(has(refusal('{' + tensor("a", "U8", "[18446744073709551615, 18446744073709551615]", "[0, 1]") + '}', 1),
            "more than 2^64"));
  CHECK(has(refusal('{' + tensor("a", "U8", "[18446744073709551616]", "[0, 1]") + '}', 1), "a whole number"));
}

TEST_CASE("bytes that overlap, leave gaps or follow the last tensor are errors") {
  CHECK(
      has(refusal('{' + tensor("a", "U8", "[4]", "[0, 4]") + ',' + tensor("b", "U8", "[4]", "[3, 7]") + '}', 7), "start at 4"));
  CHECK(
      has(refusal('{' + tensor("a", "U8", "[4]", "[0, 4]") + ',' + tensor("b", "U8", "[4]", "[5, 9]") + '}', 9), "start at 4"));
  CHECK(
      has(refusal('{' + tensor("a", "U8", "[4]", "[0, 4]") + ',' + tensor("b", "U8", "[4]", "[0, 4]") + '}', 4), "start at 4"));
  CHECK(has(refusal('{' + tensor("a", "U8", "[4]", "[0, 4]") + '}', 5), "4 bytes of data, as the header says, found 5"));
}

TEST_CASE("a name given twice is an error") {
  CHECK(has(refusal('{' + tensor("a", "U8", "[1]", "[0, 1]") + ',' + tensor("a", "U8", "[1]", "[1, 2]") + '}', 2),
            "\"a\" twice"));
}

TEST_CASE("ten thousand random corruptions of a valid file give an error or a file, never a crash") {
  const std::string good = file_of('{' + tensor("a", "F32", "[2, 2]", "[0, 16]") + ", " +
                                       tensor("b", "BF16", "[3]", "[16, 22]") + R"(, "__metadata__": {"format": "pt"}})",
                                   22);
  bert::random_stream random(1, bert::draw::user);
  int refused = 0;
  for (int i = 0; i < 10'000; ++i) {
    std::string bad = good;
    for (std::uint32_t n = 1 + random.below(3); n > 0 && !bad.empty(); --n) {
      const auto at = random.below(static_cast<std::uint32_t>(bad.size()));
      switch (random.below(4)) {
        case 0: bad[at] = static_cast<char>(random.below(256)); break;
        case 1: bad.erase(at, 1 + random.below(8)); break;
        case 2: bad.insert(at, 1, "0123456789[]{},:\""[random.below(17)]); break;
        default: bad.resize(at + 1);
      }
    }
    try {
      const safetensors file = open(bad);
      for (const stored_tensor& t : file.tensors())
        if (t.type == dtype::f32 || t.type == dtype::bf16) {
          std::vector<float> out(t.size());
          to_floats(t, out);
        }
    } catch (const bert::error&) {
      ++refused;
    }
  }
  CHECK(refused > 5'000);
}
