// The architecture of tests/golden/encoder, as a user's own header for bert::precompiled.
#pragma once

#include "bert/model/dims.hpp"

namespace golden {

struct plain : bert::architecture_of<bert::dims{
                   .vocab = 101, .hidden = 24, .layers = 2, .heads = 3, .intermediate = 30, .positions = 32}> {};

}  // namespace golden
