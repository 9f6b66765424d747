// The averages that a run keeps beside its weights.

#include "optim/averages.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "optim/sgd.h"
#include "tests/support/errors.h"

namespace striate {
namespace {

using testing_support::expect_error;

struct Net : Module {
  Net() { add_parameter("w", w, Tensor::zeros({1})); }
  void set(double value) { w.copy_from(Tensor::full({1}, value)); }
  Tensor w;
};

double value_in(Averages& averages, Net& net, const std::string& name) {
  double value = -1;
  averages.with(name, [&] { value = net.w.item(); });
  return value;
}

TEST(Averages, EmaTakesEveryStepAndSwaTheLastEpochs) {
  Net net;
  Averages averages(net, {.ema_decay = 0.5, .swa_from = 2});
  EXPECT_EQ(averages.names(), (std::vector<std::string>{"ema", "swa"}));
  EXPECT_FALSE(averages.with("swa", [] { FAIL() << "nothing has been averaged yet"; }));
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    net.set(static_cast<double>(8 * epoch));
    averages.after_step();
    averages.after_epoch(epoch);
    averages.after_epoch(epoch);  // as a run does that was interrupted in between
  }
  EXPECT_EQ(value_in(averages, net, "ema"), 10) << "0, 4, 10";
  EXPECT_EQ(value_in(averages, net, "swa"), 12) << "of 8 and 16";
  EXPECT_EQ(net.w.item(), 16) << "the weights are back";
}

TEST(Averages, GoOnFromWhatWasSaved) {
  Net net;
  const AveragesOptions options{.ema_decay = 0.5, .swa_from = 1};
  Averages averages(net, options);
  net.set(4);
  averages.after_step();
  averages.after_epoch(0);
  Sgd sgd(net.parameters());
  TrainingState state{.model = net, .optimizer = sgd};
  averages.save(state);
  net.set(8);
  Averages restored(net, options);
  restored.load(state);
  restored.after_step();
  restored.after_epoch(1);
  EXPECT_EQ(value_in(restored, net, "ema"), 6);
  EXPECT_EQ(value_in(restored, net, "swa"), 6);
}

TEST(Averages, AreOutOfTheModelAgainWhereTheBodyThrows) {
  Net net;
  Averages averages(net, {.ema_decay = 0.5});
  net.set(4);
  averages.after_step();
  net.set(8);
  EXPECT_THROW(averages.with("ema", [] { throw std::runtime_error("a full disk"); }), std::runtime_error);
  EXPECT_EQ(net.w.item(), 8);
  averages.after_step();
  EXPECT_EQ(value_in(averages, net, "ema"), 6);
}

TEST(Averages, NoneByDefault) {
  const Net net;
  EXPECT_TRUE(Averages(net, {}).names().empty());
  expect_error<std::invalid_argument>([&] { Averages(net, {.ema_decay = 1}); }, {"[averages] expected ema_decay"});
  expect_error<std::invalid_argument>([&] { Averages(net, {.swa_from = -1}); }, {"swa_from >= 0, got -1"});
}

}  // namespace
}  // namespace striate
