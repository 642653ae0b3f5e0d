#include "pretrain/replaced_token.hpp"

#include <algorithm>
#include <array>
#include <iostream>
#include <type_traits>
#include <utility>

#include "architectures.hpp"
#include "bert/objectives/replaced_token.hpp"

namespace pretraining {

void train_replaced_token(const settings& s, const origin& from, batches source, const held_out& texts, masked masks,
                          const bert::text::tokenizer& tokenizer, const bert::execution::threads& threads) {
  masks.mask = 0.85f;
  masks.random = 0;
  // A folder may have more rows than pieces.
  const int vocab = std::max(static_cast<int>(tokenizer.vocabulary().size()), from.files ? from.files->config().vocab : 0);
  published::by_name(from.arch, [&]<class A>(std::type_identity<A>) {
    using generator_type = bert::model<bert::objectives::generator_of<A>, bert::heads::masked_lm>;
    auto generator = generator_type::random({.stddev = s.stddev,
                                             .seed = s.seed ^ bert::key_of("generator"),
                                             .vocab = vocab,
                                             .positions = s.positions == "normal" ? bert::position_initialization::normal
                                                                                  : bert::position_initialization::neighbors});
    if (from.files && from.files->template holds<bert::model<A, bert::heads::masked_lm>>())
      support::tell(
          std::array{"the masked-LM head of " + s.from + " is not trained by --objective replaced_token, and left out"},
          std::cout);
    std::cout << "generator " << A::hidden << " hidden, " << generator_type::architecture::layers << " of " << A::layers
              << " layers\n";
    const bert::objectives::replaced_token objective(generator, masks, {.weight = s.replaced_weight});
    train<A>(s, from, std::move(source), texts, objective, tokenizer, threads, bert::training::alone{});
  });
}

}  // namespace pretraining
