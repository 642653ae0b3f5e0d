// Whether this is a build with a sanitizer that reserves address space: a limit of it then says nothing of the library.
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BERT_TESTS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define BERT_TESTS_SANITIZED 1
#endif
#endif
