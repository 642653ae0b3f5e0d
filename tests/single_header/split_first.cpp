// Headers of include/bert, then the single headers, which bring the rest.
#include "bert/core/error.hpp"
#include "bert/text/tokenizer.hpp"
// The single headers bring the rest.
#include "../../single_include/bert/text.hpp"
#include "../../single_include/bert/bert.hpp"

#include "program.hpp"

std::size_t split_first(const bert::text::tokenizer& t) { return t.encode("a word").tokens(); }
