/* The C interface of bert::precompiled: open a folder, embed, classify, tag, answer. For C and for every language that calls C.
 *
 *     bert_model* model = bert_open("sentiment", NULL);
 *     if (!model) { fprintf(stderr, "%s\n", bert_last_error()); return 1; }
 *     float p[2];
 *     const char* text = "What a film!";
 *     bert_classify(model, &text, NULL, 1, p);
 *     bert_close(model);
 *
 * Text is UTF-8 and ends with a zero byte. A function that returns bert_status gives BERT_OK or says why not by bert_last_error(),
 * which belongs to the calling thread. No exception leaves these functions. A model may be used by several threads at once.
 * Test: tests/precompiled/program.c. Page: docs/shipping.md
 */
#ifndef BERT_C_H
#define BERT_C_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bert_model bert_model;

typedef enum bert_status {
  BERT_OK = 0,
  BERT_ERROR = 1,         /* bad input, a folder that cannot be read, a model that does something else */
  BERT_OUT_OF_MEMORY = 2
} bert_status;

typedef enum bert_precision { BERT_F32 = 0, BERT_BF16 = 1, BERT_INT8 = 2 } bert_precision;

/* What a model does with text. */
typedef enum bert_task { BERT_EMBED = 0, BERT_CLASSIFY = 1, BERT_TAG = 2, BERT_ANSWER = 3 } bert_task;

/* All zeros are the defaults. */
typedef struct bert_options {
  bert_precision precision;
  size_t threads;    /* of a model; 0: one */
  size_t max_tokens; /* truncates longer texts; 0: the folder's limit */
} bert_options;

/* A part of a text, bytes [begin, end) of it. */
typedef struct bert_entity {
  size_t text;      /* index of the text */
  size_t begin, end;
  float score;
  const char* type; /* such as "PER"; lives as long as the entities */
} bert_entity;

typedef struct bert_answer {
  size_t begin, end; /* bytes of the passage; both 0 if it holds no answer */
  float score;
} bert_answer;

/* The last failure of this thread: what was expected, what was found, where. Valid until its next call. */
const char* bert_last_error(void);

/* Opens a Hugging Face folder; `options` may be NULL. NULL means failure. */
bert_model* bert_open(const char* folder, const bert_options* options);
/* NULL is allowed. */
void bert_close(bert_model* model);

bert_task bert_does(const bert_model* model);
/* The instruction set that it runs on, such as "x86-64-v3". */
const char* bert_runs_on(const bert_model* model);
/* Length of a vector of bert_embed. */
size_t bert_dimension(const bert_model* model);
/* Number of values a text of bert_classify; 1 if the model gives a number. For a tagger, of tags. */
size_t bert_label_count(const bert_model* model);
/* Name of label i; NULL if there is none. */
const char* bert_label(const bert_model* model, size_t i);

/* Writes count * bert_dimension() floats: one vector a text, of unit length. */
bert_status bert_embed(const bert_model* model, const char* const* texts, size_t count, float* vectors);

/* Writes count * bert_label_count() floats: probabilities, or numbers. `seconds`: the second texts of pairs, or NULL. */
bert_status bert_classify(const bert_model* model, const char* const* texts, const char* const* seconds, size_t count,
                          float* values);

/* Sets `entities` to an array of `found` entities of all texts, in order; free it by bert_free_entities. */
bert_status bert_tag(const bert_model* model, const char* const* texts, size_t count, bert_entity** entities, size_t* found);
/* NULL is allowed. */
void bert_free_entities(bert_entity* entities);

bert_status bert_find_answer(const bert_model* model, const char* question, const char* passage, bert_answer* answer);

#ifdef __cplusplus
}
#endif
#endif
