// Headers of include/bert, then the single headers, which bring the rest.
// clang-format off: the order is what is tested
#include "../../single_include/bert/bert.hpp"
#include "../../single_include/bert/text.hpp"
#include "bert/core/error.hpp"
#include "bert/text/tokenizer.hpp"
#include "program.hpp"
// clang-format on

std::size_t split_first(const bert::text::tokenizer& t) { return t.encode("a word").tokens(); }
