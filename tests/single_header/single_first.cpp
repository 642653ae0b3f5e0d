// The single header, then headers of include/bert: each is there already.
// clang-format off: the order is what is tested
#include "../../single_include/bert/bert.hpp"
#include "bert/bert.hpp"
#include "bert/text.hpp"
#include "program.hpp"
// clang-format on

std::size_t single_first(const bert::text::tokenizer& t) { return t.encode("a word").tokens(); }
