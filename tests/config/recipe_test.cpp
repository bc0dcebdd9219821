#include "config/recipe.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <bit>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>

#include "config/example.hpp"
#include "core/error.hpp"

namespace ganymede::config {
namespace {

using example::Example;
using testing::ElementsAre;
using testing::HasSubstr;

/// What a recipe's reader says; empty if it takes the recipe.
std::string complaint(const std::string& text, const std::vector<std::string>& sets = {}, Example* result = nullptr) {
  Example values;
  try {
    read(parse(text, "r.toml", sets, example::exclusive), example::sections(values));
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::recipe);
    return error.what();
  }
  if (result) *result = values;
  return {};
}

TEST(Recipe, ReadsEveryKind) {
  Example c;
  EXPECT_EQ(complaint("[run]\nname = 'x'\nseed = 9223372036854775807\nsteps = 7\n[parallel]\nbucket_mib = 3\noverlap = false\n"
                      "[optimizer.generator]\nkind = 'rmsprop'\nlr = 1e-3\n",
                      {}, &c),
            "");
  EXPECT_EQ(c.name, "x");
  EXPECT_EQ(c.seed, (uint64_t{1} << 63) - 1);
  EXPECT_EQ(c.steps, 7);
  EXPECT_FALSE(c.images);
  EXPECT_EQ(c.bucket_mib, 3.0);
  EXPECT_FALSE(c.overlap);
  EXPECT_EQ(c.rule, example::Rule::rmsprop);
  EXPECT_EQ(c.lr, 1e-3);
  EXPECT_EQ(c.beta, 0.5);
}

TEST(Recipe, TakesAnyWayToWriteATable) {
  Example c;
  EXPECT_EQ(complaint("run.name = 'a'\noptimizer.generator = {lr = 2}\nparallel = {}\n", {}, &c), "");
  EXPECT_EQ(c.name, "a");
  EXPECT_EQ(c.lr, 2);
}

TEST(Recipe, NamesTheNearestKey) {
  EXPECT_EQ(complaint("\n[parallel]\nbucket_mb = 4\n"), "r.toml:3: unknown key 'bucket_mb' in [parallel]; did you mean 'bucket_mib'?");
  EXPECT_EQ(complaint("[run]\nsetps = 4\n"), "r.toml:2: unknown key 'setps' in [run]; did you mean 'steps'?");
  EXPECT_EQ(complaint("[run]\nqqqqqq = 4\n"), "r.toml:2: unknown key 'qqqqqq' in [run]; it has name, seed, steps, images, note");
  EXPECT_EQ(complaint("[run]\noverlap = true\n"), "r.toml:2: unknown key 'overlap' in [run]; [parallel] has a key of this name");
  EXPECT_EQ(complaint("seed = 4\n"), "r.toml:1: unknown key 'seed' outside of all sections; [run] has a key of this name");
  EXPECT_EQ(complaint("[optimizer]\nlr = 4\n"), "r.toml:2: unknown key 'lr' in [optimizer]; [optimizer.generator] has a key of this name");
}

TEST(Recipe, NamesTheNearestSectionOnce) {
  EXPECT_EQ(complaint("[paralel]\nbucket_mib = 4\noverlap = 3\n[paralel.more]\na = 1\n"),
            "r.toml:1: unknown section [paralel]; did you mean [parallel]?");
  EXPECT_EQ(complaint("[optimizer.generatr]\n"), "r.toml:1: unknown section [optimizer.generatr]; did you mean [optimizer.generator]?");
  EXPECT_THAT(complaint("[zzz]\n"), HasSubstr("there are run, parallel, optimizer.generator"));
  // One key with dots inside quotes is not a path.
  EXPECT_THAT(complaint("[\"optimizer.generator\"]\nlr = 1\n"), HasSubstr("unknown section [\"optimizer.generator\"]"));
}

TEST(Recipe, RefusesWrongTypes) {
  EXPECT_EQ(complaint("[run]\nsteps = 1.0\n"), "r.toml:2: run.steps expected an integer, not the number 1.0");
  EXPECT_EQ(complaint("[run]\nsteps = '7'\n"), "r.toml:2: run.steps expected an integer, not the text \"7\"");
  EXPECT_EQ(complaint("[run]\nname = 7\n"), "r.toml:2: run.name expected text in quotes, not the integer 7");
  EXPECT_EQ(complaint("[run]\nname = 1979-05-27\n"), "r.toml:2: run.name expected text in quotes, not a date");
  EXPECT_EQ(complaint("[run]\nsteps = [1]\n"), "r.toml:2: run.steps expected an integer, not an array");
  EXPECT_EQ(complaint("[run.steps]\na = 1\n"), "r.toml:1: run.steps expected an integer, not a table");
  EXPECT_EQ(complaint("[[run]]\nsteps = 1\n"), "r.toml:1: unknown key 'run' outside of all sections");
  EXPECT_EQ(complaint("[parallel]\noverlap = 1\n"), "r.toml:2: parallel.overlap expected true or false, not the integer 1");
  EXPECT_EQ(complaint("[parallel]\nbucket_mib = true\n"), "r.toml:2: parallel.bucket_mib expected a number, not the flag true");
  EXPECT_EQ(complaint("[parallel]\nbucket_mib = inf\n"), "r.toml:2: parallel.bucket_mib must be finite, not inf");
  EXPECT_EQ(complaint("[parallel]\nbucket_mib = nan\n"), "r.toml:2: parallel.bucket_mib must be finite, not nan");
}

TEST(Recipe, RefusesValuesOutOfRange) {
  EXPECT_EQ(complaint("[run]\nsteps = 0\n"), "r.toml:2: run.steps must be at least 1, not 0");
  EXPECT_EQ(complaint("[run]\nseed = -1\n"), "r.toml:2: run.seed must be at least 0, not -1");
  EXPECT_EQ(complaint("[run]\nimages = 1000001\n"), "r.toml:2: run.images must be at most 1000000, not 1000001");
  EXPECT_EQ(complaint("[optimizer.generator]\nlr = 0\n"), "r.toml:2: optimizer.generator.lr must be above 0, not 0");
  EXPECT_EQ(complaint("[optimizer.generator]\nbeta1 = 1.0\n"), "r.toml:2: optimizer.generator.beta1 must be below 1, not 1.0");
  EXPECT_EQ(complaint("[run]\nsteps = 1\n[optimizer.generator]\nbeta1 = 0\ndecay_rate = 1\n"), "");
}

TEST(Recipe, NamesTheNearestChoice) {
  EXPECT_EQ(complaint("[optimizer.generator]\nkind = 'adm'\n"),
            "r.toml:2: optimizer.generator.kind \"adm\" is none of adam, rmsprop; did you mean 'adam'?");
  EXPECT_EQ(complaint("[optimizer.generator]\nkind = 'xyzzy'\n"), "r.toml:2: optimizer.generator.kind \"xyzzy\" is none of adam, rmsprop");
  EXPECT_EQ(complaint("[optimizer.generator]\nkind = 1\n"),
            "r.toml:2: optimizer.generator.kind expected one of adam, rmsprop in quotes, not the integer 1");
}

TEST(Recipe, TellsAllMistakesAtOnce) {
  EXPECT_EQ(complaint("[run]\nsetps = 1\nseed = 'x'\n[parallel]\nbucket_mib = 0\n[typo]\n", {"run.imges=3", "nonsense", "parallel.overlap=5"}),
            "--set nonsense: --set takes section.key=value, as in --set run.steps=2000\n"
            "r.toml:2: unknown key 'setps' in [run]; did you mean 'steps'?\n"
            "r.toml:3: run.seed expected an integer, not the text \"x\"\n"
            "r.toml:5: parallel.bucket_mib must be at least 0.1, not 0\n"
            "r.toml:6: unknown section [typo]; there are run, parallel, optimizer.generator\n"
            "--set run.imges=3: unknown key 'imges' in [run]; did you mean 'images'?\n"
            "--set parallel.overlap=5: parallel.overlap expected true or false, not the integer 5");
}

TEST(Recipe, LetsTheCallerAddMistakes) {
  Example c;
  const Source source = parse("[run]\nsteps = 1\nimages = 2\nx = 1\n", "r.toml");
  try {
    read(source, example::sections(c), [&](Mistakes& mistakes) { mistakes.add(source.where("run.images"), "excludes run.steps"); });
    FAIL() << "taken";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("r.toml:4: unknown key 'x'"), HasSubstr("\nr.toml:3: excludes run.steps")));
  }
}

TEST(Set, TakesTomlOrABareString) {
  Example c;
  EXPECT_EQ(complaint("[run]\nname = 'file'\n", {"run.name=/data/x y.h5", "run.seed = 3", "optimizer.generator.lr=1e-3", "parallel.overlap=false"}, &c),
            "");
  EXPECT_EQ(c.name, "/data/x y.h5");
  EXPECT_EQ(c.seed, 3u);
  EXPECT_EQ(c.lr, 1e-3);
  EXPECT_FALSE(c.overlap);
  EXPECT_EQ(complaint("", {"run.name=\"quoted = yes\""}, &c), "");
  EXPECT_EQ(c.name, "quoted = yes");
  EXPECT_EQ(complaint("", {"run.name=", "optimizer.generator.kind=rmsprop"}, &c), "");
  EXPECT_EQ(c.name, "");
  EXPECT_EQ(c.rule, example::Rule::rmsprop);
  EXPECT_EQ(complaint("", {"run.seed=1", "run.seed=2"}, &c), "");
  EXPECT_EQ(c.seed, 2u) << "the last one wins";
  EXPECT_EQ(complaint("", {"run.name=1\nseed=5"}, &c), "") << "one assignment a --set";
  EXPECT_EQ(c.seed, 0u);
}

TEST(Set, RefusesOtherForms) {
  for (const char* set : {"", "=", "run.seed", "seed=1", ".seed=1", "run.=1", "run..seed=1"})
    EXPECT_EQ(complaint("", {set}), fmt::format("--set {}: --set takes section.key=value, as in --set run.steps=2000", set));
  EXPECT_EQ(complaint("", {"run.name=\xff\xfe"}), "--set run.name: the value is not UTF-8, or too long");
  EXPECT_EQ(complaint("", {"rum.seed=1"}), "--set rum.seed=1: unknown section [rum]; did you mean [run]?");
  EXPECT_EQ(complaint("", {"run.steps=many"}), "--set run.steps=many: run.steps expected an integer, not the text \"many\"");
}

TEST(Set, ReplacesAnExclusiveKeyOfTheFile) {
  Example c;
  EXPECT_EQ(complaint("[run]\nsteps = 5\n", {"run.images=9"}, &c), "");
  EXPECT_FALSE(c.steps);
  EXPECT_EQ(c.images, 9);
  EXPECT_EQ(complaint("[run]\nimages = 5\n", {"run.steps=9"}, &c), "");
  EXPECT_EQ(c.steps, 9);
  EXPECT_FALSE(c.images);
  for (const auto& [text, sets] : std::vector<std::pair<std::string, std::vector<std::string>>>{
           {"[run]\nsteps = 1\nimages = 1\n", {}}, {"", {"run.steps=1", "run.images=1"}}}) {
    const Source source = parse(text, "r.toml", sets, example::exclusive);
    EXPECT_TRUE(source.is_set("run.steps") && source.is_set("run.images")) << "left to the reader to refuse";
  }
}

TEST(Print, ReadsBackToTheSameValues) {
  std::random_device device;
  const auto seed = device();
  std::mt19937_64 random(seed);
  for (int trial = 0; trial < 500; ++trial) {
    Example c;
    // Any bits that are a positive finite double: shortest printing must bring the very same ones back.
    double lr = std::bit_cast<double>(random() >> 1);
    c.lr = std::isfinite(lr) && lr > 0 ? lr : 1.0;
    c.bucket_mib = static_cast<double>(1 + random() % 1000);
    c.seed = random() >> 1;
    c.overlap = random() % 2 == 0;
    c.rule = random() % 2 == 0 ? example::Rule::adam : example::Rule::rmsprop;
    if (random() % 2 == 0) c.steps = 1 + static_cast<int64_t>(random() % 1000);
    c.name.clear();
    for (int i = 0; i < 12; ++i) c.name += static_cast<char>(random() % 128);
    c.name += "\"\\#\u00e4\u20ac";
    Example back;
    const std::string text = print(example::sections(c));
    ASSERT_NO_THROW(read(parse(text, "printed"), example::sections(back))) << text << "\nseed " << seed;
    ASSERT_THAT(differing_keys(example::sections(c), example::sections(back)), ElementsAre()) << text << "\nseed " << seed;
    ASSERT_EQ(std::bit_cast<uint64_t>(c.lr), std::bit_cast<uint64_t>(back.lr)) << "seed " << seed;
    ASSERT_EQ(print(example::sections(back)), text);
  }
}

TEST(Print, ShowsEveryKeyWithItsHelp) {
  Example c;
  c.steps = 3;
  EXPECT_EQ(print(example::sections(c)),
            "[run]\n"
            "name = \"run\"                          # what the run is called\n"
            "seed = 0                              # of all random numbers (>= 0)\n"
            "steps = 3                             # iterations (>= 1)\n"
            "# images is not set                   # reals shown (>= 1, <= 1000000)\n"
            "# note is not set                     # anything\n"
            "\n[parallel]\n"
            "bucket_mib = 25.0                     # size of a gradient bucket (>= 0.1)\n"
            "overlap = true                        # send full buckets while backward still runs\n"
            "\n[optimizer.generator]\n"
            "kind = \"adam\"                         # update rule (adam | rmsprop)\n"
            "lr = 0.0002                           # learning rate (> 0)\n"
            "beta1 = 0.5                           # decay of the first moment (>= 0, < 1)\n"
            "# decay_rate is not set               # of the learning rate (> 0, <= 1)\n");
}

TEST(Print, ShowsWhereAValueComesFrom) {
  Example c;
  const Source source = parse("[run]\nseed = 3\n", "r.toml", {"run.steps=5"});
  read(source, example::sections(c));
  const std::string text = print_with_origin(source, example::sections(c));
  EXPECT_THAT(text, HasSubstr("seed = 3                              # r.toml:2\n"));
  EXPECT_THAT(text, HasSubstr("steps = 5                             # --set\n"));
  EXPECT_THAT(text, HasSubstr("overlap = true                        # default\n"));
}

TEST(Recipe, ComparesAndGetsByKey) {
  Example a, b;
  b.lr = 1;
  b.images = 3;
  EXPECT_THAT(differing_keys(example::sections(a), example::sections(b)), ElementsAre("run.images", "optimizer.generator.lr"));
  EXPECT_EQ(get(example::sections(b), "optimizer.generator.lr"), "1.0");
  EXPECT_EQ(get(example::sections(b), "run.images"), "3");
  EXPECT_EQ(get(example::sections(b), "run.steps"), "");
  EXPECT_THROW(get(example::sections(b), "run.none"), Error);
}

}  // namespace
}  // namespace ganymede::config
