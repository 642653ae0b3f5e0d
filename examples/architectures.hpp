// The architectures that the example programs are compiled with: the published ones, and the demo's.
#pragma once

#include "bert/pipeline/choose.hpp"

/// The demo's model: small enough to learn a little world in a minute or two, on two cores.
struct pocket : bert::architecture_of<bert::dims{
                    .vocab = bert::dynamic, .hidden = 128, .layers = 2, .heads = 4, .intermediate = 512, .positions = 64}> {};

/// Add your own here: a folder is opened if its config.json has the sizes of one of these.
using compiled = bert::published::with<bert::named<"pocket", pocket>>;
