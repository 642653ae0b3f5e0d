// The text layer alone: vocabularies, tokenization, vocabulary training, sentence splitting.
// Layer: text. Test: tests/unit/text
#pragma once

#include "bert/text/sentences.hpp"
#include "bert/text/tokenizer.hpp"
#include "bert/text/wordpiece/train_wordpiece.hpp"
#include "bert/text/wordpiece/vocabulary.hpp"
