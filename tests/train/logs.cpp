// Logs and History: the metrics by Keras' names.
#include <inlay/train/history.hpp>

#include <doctest/doctest.h>

using namespace inlay;

TEST_CASE("logs list their metrics by name, validation last") {
  const Logs logs{.loss = 0.5, .accuracy = 0.75, .val_loss = 0.25, .val_accuracy = 0.875};
  std::string seen;
  logs.for_each([&](const char* name, double value) { seen += std::string(name) + " " + std::to_string(value) + " "; });
  CHECK(seen == "accuracy 0.750000 loss 0.500000 val_accuracy 0.875000 val_loss 0.250000 ");
}

TEST_CASE("logs find a metric by name, and nothing for one that was not measured") {
  const Logs logs{.loss = 0.5};
  CHECK(logs.find("loss") == 0.5);
  CHECK(logs.find("accuracy") == std::nullopt);
  CHECK(logs.find("val_loss") == std::nullopt);
  CHECK(logs.names() == "loss");
}

TEST_CASE("a loss of NaN is still reported") { CHECK(std::isnan(*Logs{.loss = NAN}.find("loss"))); }

TEST_CASE("history keeps every epoch's metrics under Keras' names") {
  History history;
  history.append(0, {.loss = 1, .accuracy = 0.5, .val_loss = 2, .val_accuracy = 0.25}, 3.5);
  history.append(1, {.loss = 0.5, .accuracy = 0.75, .val_loss = 1, .val_accuracy = 0.5}, 3.25);
  CHECK(history.epoch == std::vector{0, 1});
  CHECK(history["loss"] == std::vector{1.0, 0.5});
  CHECK(history["accuracy"] == std::vector{0.5, 0.75});
  CHECK(history["val_loss"] == std::vector{2.0, 1.0});
  CHECK(history["val_accuracy"] == std::vector{0.25, 0.5});
  CHECK(history["seconds"] == std::vector{3.5, 3.25});
}

TEST_CASE("history says which metrics there are when asked for another") {
  History history;
  history.append(0, {.loss = 1}, 1);
  CHECK_THROWS_WITH_AS(history["val_acc"],
                       "History has no metric \"val_acc\": expected loss, accuracy, val_loss, val_accuracy or seconds.",
                       Error);
  CHECK_THROWS_WITH_AS(history["val_loss"],
                       "History has no val_loss, because no epoch measured it: give fit a validation_data.", Error);
  CHECK_THROWS_WITH_AS(history["accuracy"],
                       "History has no accuracy, because no epoch measured it: give compile that metric.", Error);
}
