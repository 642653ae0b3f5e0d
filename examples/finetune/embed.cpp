// finetune --task embed: vectors as they are pooled, or by a dense layer.
#include "finetune/embed.hpp"

namespace finetune {

namespace {

template <class A>
using by_mean = embedding<A, bert::pooling::mean>;
template <class A>
using by_cls = embedding<A, bert::pooling::cls>;
template <class A>
using by_max = embedding<A, bert::pooling::max>;

/// The dense layer of the command line, else the folder's.
std::string dense_of(const settings& s, const bert::checkpoint& files) {
  if (!s.dense.empty() || s.from_scratch) return s.dense;
  const auto found = files.sentences().dense();
  return found.size() == 1 ? bert::cat(found[0].outputs, ':', found[0].activation) : std::string();
}

}  // namespace

void embed(const settings& s, const bert::checkpoint& files) {
  const std::string pooling = s.pooling.empty() ? files.sentences().pooling : s.pooling;
  if (const std::string dense = dense_of(s, files); !dense.empty()) return embed_dense(s, files, pooling, dense);
  if (pooling == "cls") train<by_cls>(s, files);
  else if (pooling == "max") train<by_max>(s, files);
  else train<by_mean>(s, files);
}

}  // namespace finetune
