#include "train/run_config.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"

namespace ganymede::train {
namespace {

const std::string smallest = "[run]\nsteps = 10\n[data]\npath = \"x\"\nglobal_batch = 8\n";

RunConfig read(const std::string& text, const std::vector<std::string>& sets = {}) { return read_config(parse_source(text, "test.toml", sets)); }

std::string refusal(const std::string& text, const std::vector<std::string>& sets = {}) {
  try {
    read(text, sets);
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::recipe);
    return error.what();
  }
  return "";
}

TEST(RunConfig, HasTheDefaultsOfTheFormats) {
  const auto c = read(smallest);
  EXPECT_EQ(c.latent.size, 100);
  EXPECT_EQ(c.generator.width, 64);
  EXPECT_EQ(c.generator_optimizer.lr, 2e-4);
  EXPECT_EQ(c.generator_optimizer.beta1, 0.5);
  EXPECT_EQ(c.generator_optimizer.decay_rate, 0.95);
  EXPECT_EQ(c.average.decay, 0.999);
  EXPECT_EQ(c.checkpoint.every_steps, 1000);
  EXPECT_EQ(c.log.every_steps, 50);
  EXPECT_EQ(c.data.window, 4);
  EXPECT_EQ(c.parallel.bucket_mib, 4.0);
}

TEST(RunConfig, PrintsWhatItReads) {
  auto c = read(smallest, {"optimizer.generator.schedule=exponential", "run.seed=17", "latent.prior=uniform", "tricks.reuse_fakes=true"});
  const auto text = print_config(c);
  EXPECT_EQ(print_config(read(text)), text);
}

TEST(RunConfig, WantsOneLengthAndOneBatch) {
  EXPECT_NE(refusal("[data]\npath = \"x\"\nglobal_batch = 8\n").find("run.steps"), std::string::npos);
  EXPECT_NE(refusal(smallest + "batch_per_rank = 4\n").find("exclude each other"), std::string::npos);
  EXPECT_NE(refusal("[run]\nsteps = 1\nimages = 1\n[data]\npath = \"x\"\nglobal_batch = 8\n").find("exclude each other"), std::string::npos);
  EXPECT_NE(refusal("[run]\nsteps = 1\n[data]\nglobal_batch = 8\n").find("data.path"), std::string::npos);
  EXPECT_FALSE(read(smallest, {"run.images=64"}).run.steps.has_value()) << "an override replaces the other key";
}

TEST(RunConfig, CountsIterationsFromImages) {
  auto c = read(smallest, {"run.images=100", "objective.d_steps=3"});
  EXPECT_EQ(total_steps(c, 8), 5);  // 24 reals an iteration
}

TEST(Resume, LetsOnlyHarmlessKeysChange) {
  const auto stored = print_config(read(smallest));
  EXPECT_EQ(config_for_resume(stored, {"run.steps=20", "log.every_steps=7", "parallel.overlap=false"}).run.steps, 20);
  try {
    config_for_resume(stored, {"run.seed=3", "generator.width=8", "run.steps=20"});
    FAIL() << "a changed seed was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::recipe);
    EXPECT_NE(std::string(error.what()).find("run.seed, generator.width"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace ganymede::train
