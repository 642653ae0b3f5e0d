// The optimizers and schedules of the example programs, chosen by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "bert/training/adafactor.hpp"
#include "bert/training/adamw.hpp"
#include "bert/training/lamb.hpp"
#include "bert/training/lion.hpp"
#include "bert/training/schedules.hpp"
#include "bert/training/sgd.hpp"

namespace optimizers {

inline const std::vector<std::string> names{"adamw", "adamw-google", "lamb", "adafactor", "lion", "sgd", "nesterov"};

/// An optimizer whose type is chosen at run time.
class any {
  using optimizer =
      std::variant<bert::optim::adamw, bert::optim::lamb, bert::optim::adafactor, bert::optim::lion, bert::optim::sgd>;

 public:
  any() = default;
  /// `name` is one of `names`; adamw-google is without bias correction.
  any(const std::string& name, float weight_decay, float clip_norm = 1.0f) {
    namespace optim = bert::optim;
    const auto sgd = [&](optim::momentum_kind kind) {
      return optim::sgd{.weight_decay = weight_decay, .clip_norm = clip_norm, .kind = kind};
    };
    if (name == "lamb") of_ = optim::lamb{.weight_decay = weight_decay, .clip_norm = clip_norm};
    else if (name == "adafactor") of_ = optim::adafactor{.weight_decay = weight_decay, .clip_norm = clip_norm};
    else if (name == "lion") of_ = optim::lion{.weight_decay = weight_decay, .clip_norm = clip_norm};
    else if (name == "sgd") of_ = sgd(optim::momentum_kind::classical);
    else if (name == "nesterov") of_ = sgd(optim::momentum_kind::nesterov);
    else
      of_ = optim::adamw{.weight_decay = weight_decay,
                         .clip_norm = clip_norm,
                         .correction = name == "adamw-google" ? optim::bias_correction::off : optim::bias_correction::on};
  }

  class state {
   public:
    state(const any& o, std::size_t floats, std::span<const bert::optim::trained_tensor> tensors)
        : of_(std::visit([&](const auto& each) -> any_state { return bert::optim::make_state(each, floats, tensors); },
                         o.of_)) {}
    [[nodiscard]] std::vector<bert::optim::state_block> blocks() {
      return std::visit(
          [](auto& each) {
            const auto all = each.blocks();
            return std::vector<bert::optim::state_block>(all.begin(), all.end());
          },
          of_);
    }

   private:
    friend any;
    using any_state = std::variant<bert::optim::adamw::state, bert::optim::adafactor::state, bert::optim::lion::state,
                                   bert::optim::sgd::state>;
    any_state of_;
  };

  template <bert::executor E>
  void apply(const E& e, const bert::optim::update& u, state& s) const {
    std::visit(
        [&](const auto& each) { each.apply(e, u, std::get<typename std::remove_cvref_t<decltype(each)>::state>(s.of_)); }, of_);
  }
  [[nodiscard]] std::string describe() const {
    return std::visit([](const auto& each) { return each.describe(); }, of_);
  }

 private:
  optimizer of_;
};

inline const std::vector<std::string> schedule_names{"linear", "cosine", "constant", "inverse-sqrt", "one-cycle"};

/// A schedule whose type is chosen at run time: one of `schedule_names`.
struct schedule {
  std::string name = "linear";
  float peak = 1e-4f;
  std::uint64_t warmup = 0;
  std::uint64_t total = 0;

 private:
  template <class Body>
  [[nodiscard]] auto with(const Body& body) const {
    namespace schedules = bert::schedules;
    if (name == "cosine") return body(schedules::warmup_cosine{peak, warmup, total});
    if (name == "constant") return body(schedules::constant{peak, warmup, total});
    if (name == "inverse-sqrt") return body(schedules::inverse_sqrt{peak, warmup, total});
    if (name == "one-cycle") return body(schedules::one_cycle{.peak = peak, .warmup = warmup, .total = total});
    return body(schedules::warmup_linear{peak, warmup, total});
  }

 public:
  [[nodiscard]] float rate(std::uint64_t step) const {
    return with([&](const auto& s) { return s.rate(step); });
  }
  [[nodiscard]] std::string describe() const {
    return with([](const auto& s) { return s.describe(); });
  }
  /// What a reader is told of the curve.
  [[nodiscard]] std::string words() const {
    if (name == "one-cycle") return "Half a cosine up to the peak, half a cosine down.";
    const std::string then = name == "linear"     ? "linear decay"
                             : name == "cosine"   ? "half a cosine down to 0"
                             : name == "constant" ? "constant"
                                                  : "the inverse square root of the step";
    return "Linear warm-up, then " + then + ".";
  }
};

}  // namespace optimizers
