// The names of Google's BERT in TensorFlow and in transformers; kernels are transposed, output_weights are not.
// Layer: tests.
#include "bert/checkpoint/tensorflow_names.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace bert;
using namespace bert::pipelines;

TEST_CASE("every variable of Google's models has its name in transformers") {
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"bert/embeddings/word_embeddings", "bert.embeddings.word_embeddings.weight"},
           {"bert/embeddings/position_embeddings", "bert.embeddings.position_embeddings.weight"},
           {"bert/embeddings/token_type_embeddings", "bert.embeddings.token_type_embeddings.weight"},
           {"bert/embeddings/LayerNorm/gamma", "bert.embeddings.LayerNorm.weight"},
           {"bert/embeddings/LayerNorm/beta", "bert.embeddings.LayerNorm.bias"},
           {"bert/encoder/layer_0/attention/self/query/kernel", "bert.encoder.layer.0.attention.self.query.weight"},
           {"bert/encoder/layer_11/attention/output/dense/bias", "bert.encoder.layer.11.attention.output.dense.bias"},
           {"bert/encoder/layer_11/attention/output/LayerNorm/gamma",
            "bert.encoder.layer.11.attention.output.LayerNorm.weight"},
           {"bert/encoder/layer_3/intermediate/dense/kernel", "bert.encoder.layer.3.intermediate.dense.weight"},
           {"bert/encoder/layer_3/output/LayerNorm/beta", "bert.encoder.layer.3.output.LayerNorm.bias"},
           {"bert/pooler/dense/kernel", "bert.pooler.dense.weight"},
           {"cls/predictions/transform/dense/kernel", "cls.predictions.transform.dense.weight"},
           {"cls/predictions/transform/LayerNorm/gamma", "cls.predictions.transform.LayerNorm.weight"},
           {"cls/predictions/output_bias", "cls.predictions.bias"},
           {"cls/seq_relationship/output_weights", "cls.seq_relationship.weight"},
           {"cls/seq_relationship/output_bias", "cls.seq_relationship.bias"},
           {"cls/squad/output_weights", "qa_outputs.weight"},
           {"cls/squad/output_bias", "qa_outputs.bias"},
           {"output_weights", "classifier.weight"},
           {"output_bias", "classifier.bias"},
           {"own/layer_norm/scale", "own.layer_norm.scale"},
           {"kernel", "weight"}})
    CHECK(name_of_variable(from) == to);
}

TEST_CASE("a kernel becomes the weight [outputs, inputs] over the same bytes; output_weights keep their shape") {
  const auto kernel = tensor_of_variable({"bert/pooler/dense/kernel", io::dtype::f32, {4, 6}, {}});
  REQUIRE(kernel);
  CHECK(kernel->shape == std::vector<std::size_t>{6, 4});
  CHECK(kernel->strides == std::vector<std::size_t>{1, 6});
  const auto weights = tensor_of_variable({"output_weights", io::dtype::f32, {2, 6}, {}});
  REQUIRE(weights);
  CHECK(weights->shape == std::vector<std::size_t>{2, 6});
  CHECK(weights->strides.empty());
}

TEST_CASE("Adam's moments and the step are the optimizer's, and no weight is") {
  for (const char* name : {"bert/pooler/dense/kernel/adam_m", "bert/pooler/dense/kernel/adam_v", "global_step", "beta1_power",
                           "beta2_power", "output_bias/Adam", "output_bias/Adam_1"}) {
    CHECK(optimizer_variable(name));
    CHECK(!tensor_of_variable({name, io::dtype::f32, {1}, {}}));
  }
  for (const char* name : {"bert/pooler/dense/kernel", "adam_m", "my_global_step", "madam/adam_model"})
    CHECK(!optimizer_variable(name));
}
