// Engines of fine-tuned models, at one level.
#pragma once

#include <memory>

#include "bert/checkpoint/checkpoint.hpp"
#include "engine.hpp"

namespace bert::precompiled {

/// The engine for the head that config.json names; nullptr if it names none of classification, tagging and answering. Throws
/// bert::error for a head that is not compiled in.
std::unique_ptr<engine> open_task(const checkpoint& files, const options& o);

}  // namespace bert::precompiled
