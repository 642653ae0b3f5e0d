// Layer: tests. Of: include/bert/metrics/figures.hpp
#include "bert/metrics/figures.hpp"

#include <doctest/doctest.h>

#include "bert/labels/bio.hpp"
#include "bert/metrics/classification.hpp"
#include "bert/metrics/entities.hpp"
#include "bert/metrics/regression.hpp"

namespace {

struct found {
  static constexpr std::array<std::string_view, 3> figure_names{"hits", "loss", "edit_error"};
  [[nodiscard]] static std::array<double, 3> figures() { return {0.25, 1.5, 7}; }
};
struct nothing {};

struct mood : bert::labels::one_of<"good", "bad"> {};
struct entities : bert::labels::bio<"PER"> {};

}  // namespace

TEST_CASE("figures are found by name, at compile time and at run time") {
  CHECK(bert::metrics::line_of(found{}) == "hits=0.2500 loss=1.5000 edit_error=7.0000");
  CHECK(bert::metrics::figure_list<found>() == "hits, loss, edit_error");
  CHECK(bert::metrics::figure<"hits">(found{}) == 0.25);
  CHECK(bert::metrics::figure<"edit_error">(found{}) == 7);
  CHECK(bert::metrics::figure(found{}, "loss") == 1.5);
  CHECK_THROWS_WITH_AS((void)bert::metrics::figure(found{}, "f1"), doctest::Contains("hits, loss, edit_error"), bert::error);
}

TEST_CASE("losses and errors are better when smaller, all other figures when larger") {
  CHECK(bert::metrics::score<"hits">(found{}) == 0.25);
  CHECK(bert::metrics::score<"loss">(found{}) == -1.5);
  CHECK(bert::metrics::score(found{}, "edit_error") == -7);
  CHECK(bert::metrics::score(found{}, "hits") == 0.25);
  CHECK(!bert::metrics::less_is_better("closs"));
  CHECK(bert::metrics::less_is_better("error"));
}

TEST_CASE("the reports of the library have figures, in the order of their names") {
  static_assert(bert::metrics::has_figures<bert::metrics::report<mood>> &&
                bert::metrics::has_figures<bert::metrics::entity_report<entities>> &&
                bert::metrics::has_figures<bert::metrics::regression_report> && !bert::metrics::has_figures<nothing>);
  bert::metrics::report<mood> classes;
  classes.add(0, 0);
  classes.add(1, 0);
  classes.add(1, 1);
  classes.add(1, 1);
  classes.add_loss(0.5, 4);
  CHECK(bert::metrics::figure<"accuracy">(classes) == classes.accuracy());
  CHECK(bert::metrics::figure<"f1">(classes) == classes.f1());
  CHECK(bert::metrics::figure<"loss">(classes) == 0.5);
  CHECK(classes.accuracy() != classes.f1());

  bert::metrics::entity_report<entities> tags(entities{});
  using e = entities;
  tags.add(std::array<std::int32_t, 4>{e::index<"B-PER">, e::index<"O">, e::index<"B-PER">, e::index<"O">},
           std::array<std::int32_t, 4>{e::index<"B-PER">, e::index<"B-PER">, e::index<"O">, e::index<"B-PER">});
  tags.add_loss(2, 4);
  CHECK(bert::metrics::figure<"precision">(tags) == tags.precision());
  CHECK(bert::metrics::figure<"recall">(tags) == 0.5);
  CHECK(bert::metrics::figure<"f1">(tags) == tags.f1());
  CHECK(bert::metrics::figure<"accuracy">(tags) == 0.25);
  CHECK(bert::metrics::figure<"loss">(tags) == 2);
}
