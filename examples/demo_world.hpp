// Invented facts for the demo: who lives where, what is made of what, each in several phrasings.
#pragma once

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bert/core/random.hpp"

namespace demo {

/// A relation between subjects and objects. In a phrasing and in the question for the object, $ is the subject and % the
/// object.
struct relation {
  std::string_view topic;
  std::span<const std::string_view> subjects;
  std::span<const std::string_view> objects;
  std::span<const std::string_view> phrasings;
  std::string_view question;
};

namespace words {

using list = std::string_view[];

inline constexpr list people{"Ada",   "Bruno", "Clara", "David", "Emma",  "Felix",
                             "Greta", "Hugo",  "Irene", "Jonas", "Karla", "Leo"};
inline constexpr list towns{"Elmford", "Harwick", "Oakley", "Stonebridge", "Millbrook", "Ravenhill"};
inline constexpr list jobs{"baker", "doctor", "painter", "teacher", "sailor", "farmer"};
inline constexpr list instruments{"flute", "harp", "drum", "violin", "trumpet", "cello"};
inline constexpr list things{"lamp", "table", "bowl", "ring", "boat", "door", "clock", "chair", "box", "bridge"};
inline constexpr list materials{"glass", "oak", "clay", "iron", "wool"};
inline constexpr list colors{"red", "blue", "green", "yellow", "white"};
inline constexpr list animals{"fox", "bear", "owl", "wolf", "deer", "hare", "crow", "toad", "lynx", "goose"};
inline constexpr list habitats{"forest", "desert", "swamp", "river", "meadow"};
inline constexpr list foods{"berries", "nuts", "roots", "leaves", "honey"};
inline constexpr list lands{"Norland", "Sudria", "Velmar", "Ostany", "Karvia", "Lumen", "Brenia", "Tarsis"};
inline constexpr list capitals{"Arlen", "Bosk", "Corvin", "Dalmar", "Eskel", "Fenwick", "Garon", "Hask"};
inline constexpr list goods{"salt", "wine", "copper", "timber", "silk", "cotton"};

inline constexpr list lives{"$ lives in %.",
                            "The home of $ is in %.",
                            "You can find the house of $ in %.",
                            "% is the town where $ lives.",
                            "If you go to %, you can visit $.",
                            "$ moved to % many years ago.",
                            "Write to $, and send the letter to %."};
inline constexpr list works{"$ works as a %.",
                            "$ is a %.",
                            "People know $ as a good %.",
                            "$ earns a living as a %.",
                            "A % like $ is hard to find.",
                            "The work of $ is that of a %.",
                            "If you need a %, ask $."};
inline constexpr list plays{"$ plays the %.",
                            "Every evening $ practises the %.",
                            "$ loves the sound of the %.",
                            "$ has played the % since childhood.",
                            "The % of $ can be heard at night.",
                            "At the feast we heard $ with the %."};
inline constexpr list made_of{"The $ is made of %.",        "They made the $ from %.",   "% is what the $ is made of.",
                              "The maker of the $ used %.", "You need % to make the $.", "The $ was built out of %."};
inline constexpr list colored{"The $ is %.",
                              "The color of the $ is %.",
                              "Somebody painted the $ %.",
                              "% is the color of the $.",
                              "Look for something % and you will see the $.",
                              "The $ looks % in the light."};
inline constexpr list dwells{"The $ lives in the %.",
                             "You can see the $ in the %.",
                             "The % is the home of the $.",
                             "The $ sleeps in the %.",
                             "Walk into the % and you may meet the $.",
                             "Hunters look for the $ in the %."};
inline constexpr list eats{"The $ eats %.",      "The food of the $ is %.", "The $ likes % most of all.",
                           "Give the $ some %.", "% is what the $ eats.",   "Without % the $ cannot live."};
inline constexpr list governed{"The capital of $ is %.",    "% is the capital of $.",          "The king of $ lives in %.",
                               "All roads of $ lead to %.", "The parliament of $ meets in %.", "Travelers to $ start in %."};
inline constexpr list trades{"$ sells % to its neighbors.", "Ships carry % out of $.",   "$ is known for its %.",
                             "Merchants buy % in $.",       "The wealth of $ is its %.", "The best % comes from $."};

}  // namespace words

/// Relations of the same subjects are adjacent: a document has those of one subject.
inline constexpr relation relations[]{
    {"towns", words::people, words::towns, words::lives, "Where does $ live?"},
    {"work", words::people, words::jobs, words::works, "What is the work of $?"},
    {"music", words::people, words::instruments, words::plays, "What does $ play?"},
    {"materials", words::things, words::materials, words::made_of, "What is the $ made of?"},
    {"colors", words::things, words::colors, words::colored, "What is the color of the $?"},
    {"habitats", words::animals, words::habitats, words::dwells, "Where does the $ live?"},
    {"food", words::animals, words::foods, words::eats, "What does the $ eat?"},
    {"capitals", words::lands, words::capitals, words::governed, "What is the capital of $?"},
    {"trade", words::lands, words::goods, words::trades, "What does $ sell?"},
};

/// One fact, and the phrasing of it that no training text has.
struct fact {
  const relation* about = nullptr;
  std::string_view subject, object;
  std::size_t held_out = 0;

  /// The fact in a phrasing; false with another `other_object`.
  [[nodiscard]] std::string say(std::size_t phrasing, std::string_view other_object = {}) const {
    std::string text;
    for (const char c : about->phrasings[phrasing])
      if (c == '$') text += subject;
      else if (c == '%') text += other_object.empty() ? object : other_object;
      else text += c;
    if (text.front() >= 'a' && text.front() <= 'z') text.front() = static_cast<char>(text.front() - 'a' + 'A');
    return text;
  }
};

/// The facts by seed. Objects are assigned at random, so that only the corpus tells them.
inline std::vector<fact> make_world(std::uint64_t seed) {
  std::vector<fact> facts;
  std::uint64_t number = 0;
  for (const relation& r : relations) {
    bert::random_stream random(seed, bert::draw::user, number++);
    std::vector<std::string_view> objects;
    for (std::size_t i = 0; i < r.subjects.size(); ++i) objects.push_back(r.objects[i % r.objects.size()]);
    bert::shuffle(std::span(objects), random);
    for (std::size_t i = 0; i < r.subjects.size(); ++i)
      facts.push_back({&r, r.subjects[i], objects[i], random.below(static_cast<std::uint32_t>(r.phrasings.size()))});
  }
  return facts;
}

/// Writes one document per subject, one fact per line, each in a random phrasing that is not held out.
inline void write_corpus(const std::string& path, const std::vector<fact>& facts, std::size_t rounds, std::uint64_t seed) {
  std::vector<std::vector<const fact*>> subjects;
  for (const fact& f : facts) {
    const auto same = [&f](const auto& of) {
      return of.front()->about->subjects.data() == f.about->subjects.data() && of.front()->subject == f.subject;
    };
    const auto found = std::find_if(subjects.begin(), subjects.end(), same);
    if (found == subjects.end()) subjects.push_back({&f});
    else found->push_back(&f);
  }
  std::ofstream out(bert::path_from(path), std::ios::binary);
  out.exceptions(std::ios::badbit | std::ios::failbit);
  bert::random_stream random(seed, bert::draw::user, 1'000);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    bert::shuffle(std::span(subjects), bert::random_stream(seed, bert::draw::user, 2'000 + round));
    for (auto& of : subjects) {
      bert::shuffle(std::span(of), bert::random_stream(seed, bert::draw::user, 100'000 + round, random()));
      for (const fact* f : of) {
        auto phrasing = random.below(static_cast<std::uint32_t>(f->about->phrasings.size() - 1));
        if (phrasing >= f->held_out) ++phrasing;
        out << f->say(phrasing) << '\n';
      }
      out << '\n';
    }
  }
}

}  // namespace demo
