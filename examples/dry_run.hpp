// The dry run of a training program: a few steps, then the time of all and the memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <string>

#include "bert/training/trainer.hpp"
#include "platform.hpp"

namespace support {

/// Trains `model` for three steps, or `steps` if these are fewer, and says how long all of them will take, which read `tokens`
/// tokens, and the memory.
template <class Model, class Objective, class Source, class... Policies>
void dry_run(std::uint64_t steps, double tokens, Model& model, const Objective& objective, const Source& batches,
             const Policies&... policies) {
  bert::trainer trainer{model, objective, bert::optim::adamw{},
                        bert::schedules::warmup_linear{.peak = 1e-5f, .total = std::min<std::uint64_t>(steps, 3)}, policies...};
  double tokens_per_second = 0;
  for (const auto& step : trainer.over(batches)) tokens_per_second = std::max(tokens_per_second, step.tokens_per_second);
  char minutes[32];
  std::snprintf(minutes, sizeof minutes, "%.1f", tokens / tokens_per_second / 60);
  std::cout << "steps " << steps << ", about " << minutes << " minutes at " << static_cast<std::uint64_t>(tokens_per_second)
            << " tokens/s, without the evaluations; memory " << (peak_memory() >> 20)
            << " MB; nothing was saved, as --dry-run asks\n";
}

}  // namespace support
