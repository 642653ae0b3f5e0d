// The C interface over bert::precompiled::reader: errors become codes and text.
#include "bert/bert_c.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/precompiled.hpp"

using bert::precompiled::reader;

struct bert_model {
  reader opened;
  std::string runs_on;
};

namespace {

thread_local std::string last_error;

bert_status failed(const char* what, bert_status status = BERT_ERROR) noexcept {
  try {
    last_error = what;
  } catch (...) {
    last_error.clear();
  }
  return status;
}

/// Calls `body` and turns what it throws into a code and a text.
template <class Body>
bert_status guarded(const Body& body) noexcept {
  try {
    body();
    last_error.clear();
    return BERT_OK;
  } catch (const std::bad_alloc&) {
    return failed("out of memory", BERT_OUT_OF_MEMORY);
  } catch (const std::exception& e) {
    return failed(e.what());
  } catch (...) {
    return failed("an unknown exception");
  }
}

void require(bool given, const char* function, const char* what) {
  if (!given) throw bert::error({function, what, "NULL", {}});
}

std::vector<std::string_view> views(const char* const* texts, std::size_t count, const char* function) {
  require(texts != nullptr || count == 0, function, "an array of texts");
  std::vector<std::string_view> out;
  for (std::size_t i = 0; i < count; ++i) {
    require(texts[i] != nullptr, function, "a text at every place of the array");
    out.emplace_back(texts[i]);
  }
  return out;
}

/// The block that bert_free_entities frees: entities, then the names of their types.
bert_entity* entities_with_names(const std::vector<std::vector<bert::precompiled::entity>>& tagged, std::size_t count) {
  std::size_t letters = 0;
  for (const auto& text : tagged)
    for (const auto& e : text) letters += e.type.size() + 1;
  auto block = std::make_unique<char[]>(count * sizeof(bert_entity) + letters);
  char* name = block.get() + count * sizeof(bert_entity);
  std::size_t i = 0;
  for (std::size_t t = 0; t < tagged.size(); ++t)
    for (const auto& e : tagged[t]) {
      std::memcpy(name, e.type.c_str(), e.type.size() + 1);
      ::new (block.get() + i++ * sizeof(bert_entity)) bert_entity{t, e.begin, e.end, e.score, name};
      name += e.type.size() + 1;
    }
  return reinterpret_cast<bert_entity*>(block.release());
}

}  // namespace

extern "C" {

const char* bert_last_error(void) { return last_error.c_str(); }

bert_model* bert_open(const char* folder, const bert_options* options) {
  bert_model* opened = nullptr;
  (void)guarded([&] {
    require(folder != nullptr, "bert_open", "a folder");
    bert::precompiled::options o;
    if (options != nullptr) {
      o.precision = static_cast<bert::precompiled::precision>(options->precision);
      o.threads = std::max<std::size_t>(1, options->threads);
      o.max_tokens = options->max_tokens;
    }
    auto made = reader::open(folder, o);
    std::string on(name_of(made.runs_on()));
    opened = new bert_model{std::move(made), std::move(on)};
  });
  return opened;
}

void bert_close(bert_model* model) { delete model; }

bert_task bert_does(const bert_model* model) { return static_cast<bert_task>(model->opened.does()); }

const char* bert_runs_on(const bert_model* model) { return model->runs_on.c_str(); }

size_t bert_dimension(const bert_model* model) { return model->opened.dimension(); }

size_t bert_label_count(const bert_model* model) {
  const std::size_t count = model->opened.labels().size();
  return bert_does(model) == BERT_CLASSIFY ? std::max<std::size_t>(1, count) : count;
}

const char* bert_label(const bert_model* model, size_t i) {
  const auto labels = model->opened.labels();
  return i < labels.size() ? labels[i].c_str() : nullptr;
}

bert_status bert_embed(const bert_model* model, const char* const* texts, size_t count, float* vectors) {
  return guarded([&] {
    require(model != nullptr, "bert_embed", "a model");
    require(vectors != nullptr || count == 0, "bert_embed", "room for the vectors");
    const auto rows = model->opened.embed(views(texts, count, "bert_embed"));
    std::copy(rows.values().begin(), rows.values().end(), vectors);
  });
}

bert_status bert_classify(const bert_model* model, const char* const* texts, const char* const* seconds, size_t count,
                          float* values) {
  return guarded([&] {
    require(model != nullptr, "bert_classify", "a model");
    require(values != nullptr || count == 0, "bert_classify", "room for the values");
    const auto others = seconds == nullptr ? std::vector<std::string_view>{} : views(seconds, count, "bert_classify");
    const auto rows = model->opened.classify(views(texts, count, "bert_classify"), others);
    std::copy(rows.values().begin(), rows.values().end(), values);
  });
}

bert_status bert_tag(const bert_model* model, const char* const* texts, size_t count, bert_entity** entities, size_t* found) {
  return guarded([&] {
    require(model != nullptr, "bert_tag", "a model");
    require(entities != nullptr && found != nullptr, "bert_tag", "places for the entities and their number");
    const auto tagged = model->opened.tag(views(texts, count, "bert_tag"));
    std::size_t all = 0;
    for (const auto& text : tagged) all += text.size();
    *entities = entities_with_names(tagged, all);
    *found = all;
  });
}

void bert_free_entities(bert_entity* entities) { delete[] reinterpret_cast<char*>(entities); }

bert_status bert_find_answer(const bert_model* model, const char* question, const char* passage, bert_answer* answer) {
  return guarded([&] {
    require(model != nullptr, "bert_find_answer", "a model");
    require(question != nullptr && passage != nullptr && answer != nullptr, "bert_find_answer",
            "a question, a passage and a place for the answer");
    const auto found = model->opened.answer(question, passage);
    *answer = {found.begin, found.end, found.score};
  });
}

}  // extern "C"
