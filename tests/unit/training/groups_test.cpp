#include "bert/training/groups.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "../../support/small_models.hpp"

namespace {
using bert::optim::layer_decay, bert::module_kind, bert::training::layout_of;
using support::pocket;
using model_type = bert::model<pocket, bert::heads::classify<support::mood>>;
constexpr auto table = model_type::table_of({.vocab = pocket::vocab});

constexpr bert::parameter in(module_kind kind, int layer = -1, bert::role r = bert::role::weight) {
  return {.stem = "x", .rows = 1, .role = r, .module = kind, .layer = layer};
}

/// Freezes one tensor of a given name.
struct without {
  std::string_view stem;
  constexpr bert::optim::group operator()(const bert::parameter& p, int) const noexcept { return {.frozen = p.stem == stem}; }
  std::string describe() const { return std::string(stem); }
};
static_assert(bert::optim::parameter_groups<without> && bert::optim::parameter_groups<layer_decay> &&
              !bert::optim::parameter_groups<bert::optim::group>);
}  // namespace

TEST_CASE("a group by itself learns at the schedule's rate and decays as the optimizer says") {
  const bert::optim::group g;
  CHECK(g.rate == 1.0f);
  CHECK(g.decay == 1.0f);
  CHECK(!g.frozen);
}

TEST_CASE("layer_decay lowers the rate by its factor a layer, from the top one down to the embeddings") {
  constexpr layer_decay half{.factor = 0.5f};
  static_assert(half(in(module_kind::head), 3).rate == 1.0f);
  static_assert(half(in(module_kind::pooler), 3).rate == 1.0f);
  static_assert(half(in(module_kind::layer, 2), 3).rate == 1.0f);
  static_assert(half(in(module_kind::layer, 1), 3).rate == 0.5f);
  static_assert(half(in(module_kind::layer, 0), 3).rate == 0.25f);
  static_assert(half(in(module_kind::embeddings), 3).rate == 0.125f);
  static_assert(!half(in(module_kind::embeddings), 3).frozen);
  CHECK(half.describe() == "layer_decay factor=0.5 frozen=0");
}

TEST_CASE("layer_decay freezes its lowest layers and the embeddings, never pooler and heads; norms and biases do not decay") {
  constexpr layer_decay two{.frozen = 2};
  static_assert(two(in(module_kind::embeddings), 3).frozen && two(in(module_kind::layer, 0), 3).frozen &&
                two(in(module_kind::layer, 1), 3).frozen && !two(in(module_kind::layer, 2), 3).frozen);
  constexpr layer_decay all{.frozen = 3};
  static_assert(all(in(module_kind::layer, 2), 3).frozen && !all(in(module_kind::pooler), 3).frozen &&
                !all(in(module_kind::head), 3).frozen);
  static_assert(two(in(module_kind::layer, 2), 3).decay == 1.0f);
  static_assert(two(in(module_kind::layer, 2, bert::role::bias), 3).decay == 0.0f);
  CHECK(two(in(module_kind::layer, 2, bert::role::norm), 3).decay == 0.0f);
}

TEST_CASE("where all parameters are trained, gradients are laid out as the model") {
  const auto layout = layout_of<pocket>(table, bert::optim::one_group{});
  for (std::size_t i = 0; i < table.size(); ++i) CHECK(layout.offsets[i] == table[i].offset);
  CHECK(layout.size == bert::block_size(table));
  CHECK(layout.parameters == bert::count_parameters(table));
  CHECK(layout.lowest == bert::lowest_is_embeddings);
}

TEST_CASE("the gradients of what is trained lie one after the other, aligned, and nothing is left for what is frozen") {
  const auto layout = layout_of<pocket>(table, layer_decay{.frozen = 1});
  CHECK(layout.lowest == 1);
  std::size_t end = 0, parameters = 0;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const bool frozen = table[i].module == module_kind::embeddings || table[i].layer == 0;
    CAPTURE(table[i].name());
    CHECK(layout.groups[i].frozen == frozen);
    if (frozen) {
      CHECK(layout.offsets[i] == bert::not_trained);
      continue;
    }
    CHECK(layout.offsets[i] == (table[i].joined ? end : bert::round_up(end, 16)));
    end = layout.offsets[i] + table[i].count();
    parameters += table[i].count();
  }
  CHECK(layout.size == bert::round_up(end, 16));
  CHECK(layout.parameters == parameters);
  CHECK(bert::gradient_bytes<model_type>(layer_decay{.frozen = 1}) == 3 * sizeof(float) * layout.size);
  static_assert(layout_of<pocket>(table, layer_decay{.frozen = 2}).lowest == pocket::layers);
}

TEST_CASE("joined tensors of which one is trained keep the gradients of all, as one product writes them") {
  const auto layout = layout_of<pocket>(table, without{"attention.self.key.weight"});
  bool seen = false;
  for (std::size_t i = 0; i < table.size(); ++i)
    if (table[i].stem == "attention.self.key.weight") {
      CHECK(layout.groups[i].frozen);
      CHECK(layout.offsets[i] == layout.offsets[i - 1] + table[i - 1].count());
      CHECK(layout.offsets[i + 1] == layout.offsets[i] + table[i].count());
      seen = true;
    }
  CHECK(seen);
  CHECK(layout.parameters == bert::count_parameters(table) - 2 * pocket::hidden * pocket::hidden);
}

TEST_CASE("pooler and heads learn at the head's rate, all others at the schedule's, each times its group's") {
  auto model = model_type::random({.seed = 1});
  const auto layout = layout_of<pocket>(table, layer_decay{.factor = 0.5f});
  std::vector<float> gradients(layout.size);
  bert::training::update_list updates(model, layout, gradients);
  const auto tensors = updates.at_rates(3.0f, 7.0f);
  REQUIRE(tensors.size() == table.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const bool above = table[i].module == module_kind::pooler || table[i].module == module_kind::head;
    CAPTURE(table[i].name());
    CHECK(tensors[i].rate == (above ? 7.0f : 3.0f) * layer_decay{.factor = 0.5f}(table[i], pocket::layers).rate);
  }
}
