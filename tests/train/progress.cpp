// Progress: Keras' lines, to the character, under a clock that the test turns.
#include <inlay/core/error.hpp>
#include <inlay/train/progress.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace inlay;

namespace {

double now = 0;

/// Progress into a file of its own; `text` is what was written since the last call.
struct Screen {
  std::FILE* file = std::tmpfile();
  long read_to = 0;

  Screen() { now = 100; }
  ~Screen() { std::fclose(file); }
  Screen(const Screen&) = delete;

  ProgressOptions options(int verbose, bool terminal) const {
    return {.verbose = verbose, .out = file, .terminal = terminal, .clock = [] { return now; }};
  }
  std::string text() {
    std::string read;
    std::fseek(file, read_to, SEEK_SET);
    for (int c; (c = std::fgetc(file)) != EOF;) read += static_cast<char>(c);
    read_to = std::ftell(file);
    return read;
  }
};

const Logs trained{.loss = 0.3011, .accuracy = 0.9123};
const Logs validated{.loss = 0.3011, .accuracy = 0.9123, .val_loss = 0.1302, .val_accuracy = 0.9610};

}  // namespace

TEST_CASE("progress writes one plain line an epoch where there is no terminal") {
  Screen screen;
  Progress progress(5, 1875, screen.options(1, false));
  progress.begin_epoch(0);
  for (int step = 1; step <= 1875; ++step) {
    now += 0.002;
    CHECK(progress.steps_to_update() == 1876 - step);
    progress.update(step, trained);
  }
  progress.end_epoch(validated);
  CHECK(screen.text() ==
        "Epoch 1/5\n"
        "1875/1875 ━━━━━━━━━━━━━━━━━━━━ 4s 2ms/step - accuracy: 0.9123 - loss: 0.3011"
        " - val_accuracy: 0.9610 - val_loss: 0.1302\n");
}

TEST_CASE("progress leaves out the Epoch line if there is one epoch only") {
  Screen screen;
  Progress progress(1, 10, screen.options(1, false));
  progress.begin_epoch(0);
  now += 20;
  progress.update(10, {.loss = 1});
  progress.end_epoch({.loss = 1});
  CHECK(screen.text() == "10/10 ━━━━━━━━━━━━━━━━━━━━ 20s 2s/step - loss: 1.0000\n");
}

TEST_CASE("verbose 2 writes Keras' line without a bar, on a terminal too") {
  Screen screen;
  Progress progress(3, 1875, screen.options(2, true));
  progress.begin_epoch(1);
  now += 3.75;
  CHECK(progress.steps_to_update() == 1875);
  progress.update(1875, trained);
  progress.end_epoch(trained);
  CHECK(screen.text() == "Epoch 2/3\n1875/1875 - 4s - 2ms/step - accuracy: 0.9123 - loss: 0.3011\n");
}

TEST_CASE("verbose 0 writes nothing") {
  Screen screen;
  Progress progress(3, 10, screen.options(0, true));
  progress.begin_epoch(0);
  progress.update(10, trained);
  progress.end_epoch(trained);
  CHECK(screen.text() == "");
}

TEST_CASE("on a terminal the line is redrawn in place with the time to go") {
  Screen screen;
  Progress progress(1, 40, screen.options(1, true));
  progress.begin_epoch(0);
  now += 5;
  progress.update(10, trained);
  CHECK(screen.text() ==
        "\33[?7l\r\33[K\33[1m10/40\33[0m \33[32m━━━━━\33[37m━━━━━━━━━━━━━━━\33[0m \33[1m15s\33[0m 500ms/step"
        " - accuracy: 0.9123 - loss: 0.3011\33[?7h");
  now += 15;
  progress.update(40, trained);
  screen.text();
  now += 2;  // validation
  progress.end_epoch(validated);
  CHECK(screen.text() ==
        "\r\33[K\33[1m40/40\33[0m \33[32m━━━━━━━━━━━━━━━━━━━━\33[37m\33[0m \33[1m22s\33[0m 500ms/step"
        " - accuracy: 0.9123 - loss: 0.3011 - val_accuracy: 0.9610 - val_loss: 0.1302\n");
}

TEST_CASE("a terminal is redrawn at most 20 times a second") {
  Screen screen;
  Progress progress(1, 1000, screen.options(1, true));
  progress.begin_epoch(0);
  int drawn = 0;
  for (int step = 1; step <= 1000; ++step) {
    now += 1.0 / 1024;
    progress.update(step, trained);
    drawn += !screen.text().empty();
  }
  CHECK(drawn == 20);
}

TEST_CASE("on a terminal the first step is shown, and then runs of steps that last until the next redraw") {
  Screen screen;
  Progress progress(1, 1000, screen.options(1, true));
  progress.begin_epoch(0);
  std::vector<int> runs;
  for (int done = 0; done < 1000;) {
    runs.push_back(progress.steps_to_update());
    done += runs.back();
    now += runs.back() / 1024.0;
    progress.update(done, trained);
    CHECK(screen.text().empty() == (done == 1000));  // the end of the epoch draws the last one
  }
  std::vector<int> expected(20, 52);
  expected.front() = 1;
  expected.push_back(1000 - 1 - 19 * 52);
  CHECK(runs == expected);
}

TEST_CASE("a new epoch starts its own time") {
  Screen screen;
  Progress progress(2, 10, screen.options(2, false));
  for (int epoch = 0; epoch < 2; ++epoch) {
    progress.begin_epoch(epoch);
    now += 1 + epoch;
    progress.update(10, {.loss = 1});
    progress.end_epoch({.loss = 1});
  }
  CHECK(screen.text() ==
        "Epoch 1/2\n10/10 - 1s - 100ms/step - loss: 1.0000\nEpoch 2/2\n10/10 - 2s - 200ms/step - loss: 1.0000\n");
}

TEST_CASE("an epoch that an exception ends leaves the terminal on a new line") {
  Screen screen;
  try {
    Progress progress(1, 10, screen.options(1, true));
    progress.begin_epoch(0);
    progress.update(1, trained);
    screen.text();
    throw Error("out of luck");
  } catch (const Error&) {
  }
  CHECK(screen.text() == "\n");
}

TEST_CASE("an epoch without steps has its line all the same") {
  Screen screen;
  {
    Progress progress(1, 0, screen.options(1, true));
    progress.begin_epoch(0);
    progress.end_epoch({.loss = 0.5});
  }
  CHECK(screen.text().ends_with(" \33[1m0s\33[0m 0s/step - loss: 0.5000\n"));
}

TEST_CASE("times are written as Keras writes them") {
  CHECK(progress::time_to_go(0.9) == "0s");
  CHECK(progress::time_to_go(60) == "60s");
  CHECK(progress::time_to_go(65) == "1:05");
  CHECK(progress::time_to_go(3725) == "1:02:05");
  CHECK(progress::time_per_step(0) == "0s/step");
  CHECK(progress::time_per_step(1.6) == "2s/step");
  CHECK(progress::time_per_step(0.0123) == "12ms/step");
  CHECK(progress::time_per_step(0.00015) == "150us/step");
}

TEST_CASE("numbers have four decimals, with an exponent up to 1e-3") {
  CHECK(progress::metrics({.loss = 12.34567}) == " - loss: 12.3457");
  CHECK(progress::metrics({.loss = 0.0011}) == " - loss: 0.0011");
  CHECK(progress::metrics({.loss = 0.001}) == " - loss: 1.0000e-03");
  CHECK(progress::metrics({.loss = 0}) == " - loss: 0.0000e+00");
  CHECK(progress::metrics({.loss = -0.5}) == " - loss: -0.5000");
  CHECK(progress::metrics({.loss = NAN}) == " - loss: nan");
}

TEST_CASE("the count is as wide as at the end") {
  CHECK(progress::count(7, 1875) == "   7/1875");
  CHECK(progress::count(1875, 1875) == "1875/1875");
}

TEST_CASE("the clock never goes back") {
  const double before = steady_seconds();
  CHECK(steady_seconds() >= before);
}
