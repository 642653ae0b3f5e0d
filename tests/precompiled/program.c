/* A program in C, called by precompiled_test.cpp with the folders of four models. Returns the line at which something is wrong. */
#include <bert/bert_c.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

int run_c_program(const char* encoder, const char* classifier, const char* tagger, const char* answers);

#define CHECK(x) \
  if (!(x)) return __LINE__

int run_c_program(const char* encoder, const char* classifier, const char* tagger, const char* answers) {
  const char* const texts[2] = {"the cat sat on the mat.", "a red film is very bad"};
  float values[2 * 24], again[24], sum = 0;
  bert_options options = {BERT_INT8, 2, 0};
  bert_entity* entities = NULL;
  bert_answer answer;
  size_t i, found = 0;
  bert_model* model = bert_open("/no/such/folder", NULL);
  CHECK(model == NULL && strstr(bert_last_error(), "/no/such/folder") != NULL);

  model = bert_open(encoder, NULL);
  CHECK(model != NULL && bert_does(model) == BERT_EMBED && bert_dimension(model) == 24 && bert_label_count(model) == 0);
  CHECK(strncmp(bert_runs_on(model), "x86-64-v", 8) == 0 && bert_label(model, 0) == NULL);
  CHECK(bert_embed(model, texts, 2, values) == BERT_OK && bert_last_error()[0] == 0);
  for (i = 0; i < 24; ++i) sum += values[i] * values[i];
  CHECK(fabsf(sum - 1) < 1e-4f);
  CHECK(bert_classify(model, texts, NULL, 2, values) == BERT_ERROR && strstr(bert_last_error(), "sentence vectors") != NULL);
  CHECK(bert_embed(model, NULL, 2, values) == BERT_ERROR && strstr(bert_last_error(), "NULL") != NULL);
  CHECK(bert_embed(model, NULL, 0, NULL) == BERT_OK);
  bert_close(model);
  model = bert_open(encoder, &options);
  CHECK(model != NULL && bert_embed(model, texts, 1, again) == BERT_OK);
  for (i = 0, sum = 0; i < 24; ++i) sum += fabsf(values[i] - again[i]);
  CHECK(sum > 0 && sum < 0.5f);
  bert_close(model);

  model = bert_open(classifier, NULL);
  CHECK(model != NULL && bert_does(model) == BERT_CLASSIFY && bert_label_count(model) == 3);
  CHECK(strcmp(bert_label(model, 2), "urgent") == 0);
  CHECK(bert_classify(model, texts, NULL, 2, values) == BERT_OK);
  CHECK(fabsf(values[0] + values[1] + values[2] - 1) < 1e-5f && fabsf(values[3] + values[4] + values[5] - 1) < 1e-5f);
  CHECK(bert_classify(model, texts, texts, 2, again) == BERT_OK && again[0] != values[0]);
  bert_close(model);

  model = bert_open(tagger, NULL);
  CHECK(model != NULL && bert_does(model) == BERT_TAG && bert_label_count(model) == 3);
  CHECK(bert_tag(model, texts, 2, &entities, &found) == BERT_OK);
  for (i = 0; i < found; ++i) {
    CHECK(entities[i].text < 2 && entities[i].begin < entities[i].end);
    CHECK(entities[i].end <= strlen(texts[entities[i].text]) && strcmp(entities[i].type, "animal") == 0);
  }
  CHECK(found > 0);
  bert_free_entities(entities);
  bert_free_entities(NULL);
  bert_close(model);

  model = bert_open(answers, NULL);
  CHECK(model != NULL && bert_does(model) == BERT_ANSWER);
  CHECK(bert_find_answer(model, "was it good?", texts[0], &answer) == BERT_OK);
  CHECK(answer.begin < answer.end && answer.end <= strlen(texts[0]));
  CHECK(bert_find_answer(model, NULL, texts[0], &answer) == BERT_ERROR);
  bert_close(model);
  bert_close(NULL);
  return 0;
}
