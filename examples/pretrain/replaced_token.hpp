// pretrain --objective replaced_token: in a file of its own, as each objective takes minutes to compile.
#pragma once

#include "bert/text/tokenizer.hpp"
#include "pretrain/training.hpp"

namespace pretraining {

/// Trains a discriminator and a generator, as `train` trains a masked LM, and saves the discriminator.
void train_replaced_token(const settings& s, const origin& from, batches source, const held_out& texts, masked masks,
                          const bert::text::tokenizer& tokenizer, const bert::execution::threads& threads);

}  // namespace pretraining
