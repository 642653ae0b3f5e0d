// What the two files of the program share.
#pragma once

std::size_t single_first(const bert::text::tokenizer& t);
std::size_t split_first(const bert::text::tokenizer& t);
