// The single header, then headers of include/bert: each is there already.
#include "../../single_include/bert/bert.hpp"
// The rest of the includes are those of include/bert.
#include "bert/bert.hpp"
#include "bert/text.hpp"

#include "program.hpp"

std::size_t single_first(const bert::text::tokenizer& t) { return t.encode("a word").tokens(); }
