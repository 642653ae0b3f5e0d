// Layer: tests. Of: include/bert/io/npy.hpp
#include "bert/io/npy.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "unit/io/scratch.hpp"

using namespace bert;
using namespace bert::testing;

namespace {

/// The bytes of numpy.save(numpy.array([[1, 2, 3], [4, 5, 6]], "<f4")), as NumPy 1 and 2 write them.
std::string saved(const std::string& descr, const std::string& data, const std::string& shape = "(2, 3)",
                  const std::string& order = "False") {
  std::string header = "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }";
  header.append(127 - 10 - header.size(), ' ');
  header += '\n';
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size()) + '\0' + header + data;
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

}  // namespace

TEST_CASE("what is written has NumPy's bytes and is read again") {
  const scratch dir;
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  io::write_npy(dir / "x.npy", std::span(values), {2, 3});
  CHECK(slurp(dir / "x.npy") == saved("<f4", bytes_of(values)));
  const io::npy file(dir / "x.npy");
  CHECK(file.shape() == std::vector<std::size_t>{2, 3});
  CHECK(file.type() == "<f4");
  CHECK(file.as<float>() == values);
  CHECK(file.as<double>() == std::vector<double>(values.begin(), values.end()));
}

TEST_CASE("other types and shapes are written and read") {
  const scratch dir;
  const std::vector<std::int8_t> codes{-128, 0, 127};
  io::write_npy(dir / "codes.npy", std::span(codes), {3});
  CHECK(slurp(dir / "codes.npy").find("'shape': (3,), }") != std::string::npos);
  CHECK(slurp(dir / "codes.npy").size() % 64 == 3);
  CHECK(io::npy(dir / "codes.npy").as<int>() == std::vector<int>{-128, 0, 127});
  const std::vector<double> one{0.1};
  io::write_npy(dir / "one.npy", std::span(one), {});
  CHECK(io::npy(dir / "one.npy").as<double>() == one);
  CHECK(io::npy(dir / "one.npy").shape().empty());
  const std::vector<float> none;
  io::write_npy(dir / "none.npy", std::span(none), {0, 7});
  CHECK(io::npy(dir / "none.npy").size() == 0);
  CHECK(io::npy(dir.file("half.npy", saved("<f2", std::string("\x00\x3c\x00\xc0", 4), "(2,)"))).as<float>() ==
        std::vector<float>{1, -2});
  CHECK(io::npy(dir.file("long.npy", saved("<i8", bytes_of(std::vector<std::int64_t>{-5}), "(1,)"))).as<float>() ==
        std::vector<float>{-5});
}

TEST_CASE("what is damaged or of another kind is refused by name") {
  const scratch dir;
  const std::string six = bytes_of(std::vector<float>{1, 2, 3, 4, 5, 6});
  const auto refused = [&](const std::string& content) {
    const auto path = dir.file("x.npy", content);
    return message_of([&] { (void)io::npy(path); });
  };
  CHECK(refused(saved("<f4", six)).empty());
  CHECK(has(refused("no array"), "a .npy file"));
  CHECK(has(refused(saved("<f4", six + "x")), "24 bytes") == false);
  CHECK(has(refused(saved("<f4", six + "x")), "6 elements of 4 bytes"));
  CHECK(has(refused(saved(">f4", six)), ">f4"));
  CHECK(has(refused(saved("<f4", six, "(2, 3)", "True")), "fortran_order"));
  CHECK(has(refused(saved("<f4", six, "(2, x)")), "whole numbers"));
  CHECK(has(refused(saved("<f4", six, "(99999999999, 99999999999)")), "fits into memory"));
  const std::string whole = saved("<f4", six);
  for (std::size_t n = 0; n < whole.size(); ++n) CHECK_FALSE(refused(whole.substr(0, n)).empty());
  const std::vector<float> values(6);
  CHECK(has(message_of([&] { io::write_npy(dir / "y.npy", std::span(values), {2, 2}); }), "a shape of 6 elements"));
}
