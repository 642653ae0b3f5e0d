// Every header in the first of two translation units.
#include "all_headers.hpp"

int other_translation_unit();

int main() { return other_translation_unit(); }
