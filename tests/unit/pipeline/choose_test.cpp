#include "bert/pipeline/choose.hpp"

#include <doctest/doctest.h>

#include <string>
#include <type_traits>

namespace {

struct dot : bert::architecture_of<bert::dims{
                 .vocab = bert::dynamic, .hidden = 16, .layers = 1, .heads = 2, .intermediate = 32, .positions = 8}> {};
struct tanh_dot : bert::architecture_of<dot::dimensions, bert::layers::post_norm<bert::activation::gelu_tanh>> {};
using some = bert::choices<bert::named<"dot", dot>>;

template <class Choices>
int hidden_by_name(std::string_view name) {
  int hidden = 0;
  Choices::by_name(name, [&]<class A>(std::type_identity<A>) { hidden = A::hidden; });
  return hidden;
}

}  // namespace

TEST_CASE("a name chooses the architecture that has it") {
  CHECK(hidden_by_name<bert::published>("tiny") == 128);
  CHECK(hidden_by_name<bert::published>("base") == 768);
  CHECK_THROWS_WITH_AS(hidden_by_name<some>("huge"), "architecture: expected one of dot, found huge", bert::error);
}

TEST_CASE("an extended list has the old names and the new ones") {
  using more = bert::published::with<bert::named<"dot", dot>>;
  CHECK(more::names() == bert::published::names() + ", dot");
  CHECK(hidden_by_name<more>("mini") == 256);
  CHECK(hidden_by_name<more>("dot") == 16);
}

TEST_CASE("a configuration chooses by sizes and activation, whatever its vocabulary") {
  using both = some::with<bert::named<"tanh", tanh_dot>>;
  const auto is_tanh = [](const bert::model_config& c) {
    bool tanh = false;
    both::by_config(c, [&]<class A>(std::type_identity<A>) { tanh = std::is_same_v<A, tanh_dot>; });
    return tanh;
  };
  CHECK_FALSE(is_tanh(bert::model_config::of<dot>(77)));
  CHECK(is_tanh(bert::model_config::of<tanh_dot>(1'234)));
}

TEST_CASE("a configuration of no architecture in the list is an error that names its sizes") {
  auto config = bert::model_config::of<dot>(77);
  config.layers = 3;
  config.where = "folder/config.json";
  try {
    some::by_config(config, [](auto) { FAIL("nothing to choose"); });
    FAIL("no error");
  } catch (const bert::error& e) {
    CHECK(e.where() == "folder/config.json");
    CHECK(e.found().find("layers 3") != std::string::npos);
    CHECK(e.expected().find("dot") != std::string::npos);
    CHECK(e.found().find("nearest is dot, but \"num_hidden_layers\" 3 in place of 1") != std::string::npos);
  }
}

TEST_CASE("the error names a key that differs and is no size, with both values") {
  using both = some::with<bert::named<"tanh", tanh_dot>>;
  auto config = bert::model_config::of<tanh_dot>(77);
  config.norm_epsilon = 1e-5;
  config.segments = 1;
  try {
    both::by_config(config, [](auto) { FAIL("nothing to choose"); });
    FAIL("no error");
  } catch (const bert::error& e) {
    CHECK(e.found().find(
              "nearest is tanh, but \"type_vocab_size\" 1 in place of 2, \"layer_norm_eps\" 1e-05 in place of 1e-12") !=
          std::string::npos);
  }
}
