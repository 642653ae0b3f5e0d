// Compile-time rules whose violation prints the rule, the facts as types, and the fix.
// Layer: core. Test: tests/compile_fail
#ifndef BERT_CORE_ENSURE_HPP
#define BERT_CORE_ENSURE_HPP

namespace bert {

/// Facts shown in a diagnostic: `facts<hidden<770>, heads<12>>`. Never instantiated.
template <class... Facts>
struct facts {};

/// `static_assert(ensure<condition, facts<…>>, "rule; fix")`: on failure the compiler names this variable with its
/// facts beside the message.
template <bool Condition, class Facts>
inline constexpr bool ensure = Condition;

}  // namespace bert

#endif  // BERT_CORE_ENSURE_HPP
