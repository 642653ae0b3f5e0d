// Ranks sentences by similarity to a question: README's first program.
//   first_program FOLDER QUESTION        a sentence-embedding checkpoint of 6 layers of 384, such as all-MiniLM-L6-v2
#include <bert/pipeline/embedder.hpp>
#include <iostream>

using embedder = bert::embedder<bert::arch::minilm_l6, bert::pooling::mean>;

int main(int argc, char** argv) try {
  if (argc != 3) return std::cerr << "usage: first_program FOLDER QUESTION\n", 2;
  const std::vector<std::string> sentences{"A hamster sleeps in its nest.", "The train to Bern leaves at nine.",
                                           "Bread needs flour, water and salt."};

  const auto embed = embedder::open(argv[1]);  // a Hugging Face folder; throws if a tensor disagrees with the type
  const auto index = embed(sentences);         // [3, 384], rows of unit length
  const auto question = embed(argv[2]);

  for (const auto [row, score] : bert::top_k(bert::similarity(index, question), 3))
    std::cout << score << "  " << sentences[row] << '\n';
} catch (const bert::error& e) {
  std::cerr << "first_program: " << e.what() << '\n';
  return 1;
}
