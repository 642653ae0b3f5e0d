// Every header in the second translation unit.
#include "all_headers.hpp"

int other_translation_unit();

int other_translation_unit() { return 0; }
