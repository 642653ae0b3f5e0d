// <windows.h> without what disturbs C++; nothing on other systems. No other header includes <windows.h>.
// Layer: core. Test: tests/unit/io/system_test.cpp
#ifndef BERT_CORE_WINDOWS_HPP
#define BERT_CORE_WINDOWS_HPP

#if defined(_WIN32)

// A program that needs all of <windows.h> includes it before this library, with NOMINMAX defined.
#if !defined(WIN32_LEAN_AND_MEAN)
#define WIN32_LEAN_AND_MEAN
#endif
#if !defined(NOMINMAX)
#define NOMINMAX
#endif
#include <windows.h>

// Lower-case macros, which are names of variables and architectures here. FAR and NEAR expand to the first two.
#undef near
#undef far
#undef small
#undef NEAR
#undef FAR
#define NEAR
#define FAR

#endif

#endif  // BERT_CORE_WINDOWS_HPP
