// The examples' command line: what it sets, and what it says about what it cannot set.
#include "../../examples/command_line.hpp"

#include <doctest/doctest.h>

using namespace inlay;

namespace {

enum class Colour { red, green };

struct Parsed {
  int epochs = 10;
  std::uint64_t seed = 7;
  float rate = 0.5f;
  std::string save;
  bool explain = false;
  Colour colour = Colour::red;
};

Parsed parse(std::vector<std::string> words) {
  Parsed values;
  examples::CommandLine line("A test");
  line.add("epochs", values.epochs, "passes");
  line.add("seed", values.seed, "of everything");
  line.add("rate", values.rate, "of learning");
  line.add("save", values.save, "a file");
  line.add("explain", values.explain, "instead");
  line.add("colour", values.colour, "red or green", {{"red", Colour::red}, {"green", Colour::green}});
  words.insert(words.begin(), "program");
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  line.parse(static_cast<int>(words.size()), arguments.data());
  return values;
}

}  // namespace

TEST_CASE("options set their variables, and what is left out keeps its default") {
  const Parsed none = parse({});
  CHECK(none.epochs == 10);
  CHECK(none.seed == 7);
  CHECK(none.rate == 0.5f);
  CHECK(none.save.empty());
  CHECK(!none.explain);
  CHECK(none.colour == Colour::red);
  const Parsed all = parse({"--epochs", "3", "--seed=18446744073709551615", "--rate", "1e-3", "--save", "a b",
                            "--explain", "--colour=green"});
  CHECK(all.epochs == 3);
  CHECK(all.seed == ~std::uint64_t{0});
  CHECK(all.rate == 1e-3f);
  CHECK(all.save == "a b");
  CHECK(all.explain);
  CHECK(all.colour == Colour::green);
}
TEST_CASE("what is no option, or not its value, is an error that says so") {
  struct Refused {
    std::vector<std::string> words;
    std::string message;
  };
  for (const Refused& refused :
       {Refused{{"--foo"}, "--foo is not an option"}, Refused{{"--foo=3"}, "--foo=3 is not an option"},
        Refused{{"-x"}, "-x is not an option"}, Refused{{"--epochs", "3", "word"}, "word is not an option"},
        Refused{{"--epochs"}, "--epochs needs a value"}, Refused{{"--epochs", "x"}, "--epochs cannot be x"},
        Refused{{"--epochs", "2.5"}, "--epochs cannot be 2.5"},
        Refused{{"--epochs", "99999999999"}, "--epochs cannot be 99999999999"},
        Refused{{"--epochs", ""}, "--epochs cannot be "}, Refused{{"--seed", "-1"}, "--seed cannot be -1"},
        Refused{{"--rate", "1e-2x"}, "--rate cannot be 1e-2x"},
        Refused{{"--explain=3"}, "--explain=3 is not an option"},
        Refused{{"--colour", "blue"}, "--colour cannot be blue"}}) {
    const std::string message = refused.message + "; --help lists the options";
    CHECK_THROWS_WITH_AS(parse(refused.words), message.c_str(), Error);
  }
}
