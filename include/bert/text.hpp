// The text layer alone: vocabularies, tokenization, vocabulary training, sentence splitting.
// Layer: text. Test: tests/unit/text
#ifndef BERT_TEXT_HPP
#define BERT_TEXT_HPP

#include "bert/text/sentences.hpp"
#include "bert/text/tokenizer.hpp"
#include "bert/text/wordpiece/train_wordpiece.hpp"
#include "bert/text/wordpiece/vocabulary.hpp"

#endif  // BERT_TEXT_HPP
