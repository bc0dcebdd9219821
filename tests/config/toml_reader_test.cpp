#include "config/toml_reader.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "config/example.hpp"
#include "core/error.hpp"

namespace ganymede::config {
namespace {

using testing::HasSubstr;

std::string refusal(const std::string& text) {
  try {
    parse_toml(text, "h.toml");
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::recipe);
    return error.what();
  }
  return "taken";
}

std::string repeated(const std::string& part, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += part;
  return out;
}

TEST(TomlReader, NamesTheLineOfASyntaxError) {
  EXPECT_THAT(refusal("[run]\nsteps = \n"), HasSubstr("h.toml:2: "));
  EXPECT_THAT(refusal("[run]\nseed = 1\nseed = 2\n"), HasSubstr("h.toml:3: "));
  EXPECT_THAT(refusal("a = \"\xff\"\n"), HasSubstr("h.toml:1: "));
  EXPECT_THAT(refusal(std::string("a = 1\n\0b = 2\n", 13)), HasSubstr("h.toml:2: "));
  EXPECT_THAT(refusal("a = 99999999999999999999\n"), HasSubstr("h.toml:1: "));
}

// What toml++ 3.3 meets with an assertion, or without one with a null pointer.
TEST(TomlReader, OutlivesTheParsersAssertions) {
  EXPECT_EQ(refusal("[run]\n\n[=]\na = 1\n"), "h.toml:3: this is not TOML");
  EXPECT_EQ(refusal("a = 1\nb = 1979-05-27T:32:00"), "h.toml:2: this is not TOML");
  EXPECT_NE(refusal("a = 1979-05-27T"), "taken");
  EXPECT_FALSE(parse_toml_value("1979-05-27T:"));
}

TEST(TomlReader, LimitsWhatTheParserMustBear) {
  EXPECT_THAT(refusal(std::string(largest_recipe_bytes + 1, ' ')), HasSubstr("more than 1048576 bytes"));
  EXPECT_EQ(refusal(std::string(largest_recipe_bytes, ' ')), "taken");
  const size_t many = 100'000;
  EXPECT_THAT(refusal("\n" + repeated("a.", many) + "b = 1\n"), HasSubstr("h.toml:2: a key of more than 16 parts"));
  EXPECT_THAT(refusal("[" + repeated("a.", many) + "b]\n"), HasSubstr("more than 16 parts"));
  EXPECT_THAT(refusal(repeated("'a' . ", many) + "b = 1\n"), HasSubstr("more than 16 parts"));
  EXPECT_THAT(refusal("t = {" + repeated("a.", many) + "b = 1}\n"), HasSubstr("more than 16 parts"));
  EXPECT_THAT(refusal("s = \"\"\"\n\\\"\n\"\"\"\n" + repeated("a.", many) + "b = 1\n"), HasSubstr("h.toml:4: a key of more than 16 parts"));
  EXPECT_NE(refusal("a = " + repeated("[", many)), "taken");
  EXPECT_NE(refusal("a = " + repeated("{a = ", many)), "taken");
  EXPECT_NE(refusal("a = " + repeated("[", many) + repeated("]", many) + "\n"), "taken");
}

TEST(TomlReader, CountsNoDotsInStringsAndComments) {
  const std::string dots(100, '.');
  EXPECT_EQ(refusal("# " + dots + "\na = '" + dots + "'\nb = \"\\\"" + dots + "\"\nc = '''\n" + dots + "'''\nd = \"\"\"\n" + dots + "\"\"\"\n"), "taken");
  EXPECT_EQ(refusal("a = [" + repeated("1.5, ", 100) + "1.5]\n"), "taken");
}

TEST(TomlReader, BearsDamagedText) {
  config::example::Example c;
  const std::string whole = print(config::example::sections(c));
  for (size_t size = 0; size < whole.size(); ++size) EXPECT_NE(refusal(whole.substr(0, size)), "");
  const auto seed = std::random_device()();
  std::mt19937_64 random(seed);
  for (int trial = 0; trial < 2000; ++trial) {
    std::string text = whole;
    for (int i = 0; i < 3; ++i) text[random() % text.size()] = "=[]{}\".'#\n\\x1\xc3"[random() % 15];
    EXPECT_NE(refusal(text), "") << "seed " << seed;  // either way: no crash, no other exception
  }
}

TEST(TomlReader, NamesAFileThatCannotBeRead) {
  const auto folder = std::filesystem::temp_directory_path() / ("ganymede_recipe_" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const auto refused = [](const std::filesystem::path& file) {
    try {
      read_recipe_file(file);
    } catch (const Error& error) {
      EXPECT_EQ(error.fault(), Fault::recipe);
      EXPECT_THAT(error.what(), HasSubstr(file.string()));
      EXPECT_THAT(error.what(), HasSubstr("remedy: "));
      return true;
    }
    return false;
  };
  EXPECT_TRUE(refused(folder / "none.toml"));
  EXPECT_TRUE(refused(folder / "none" / "none.toml"));
  EXPECT_TRUE(refused(folder));
  EXPECT_TRUE(refused("/dev/zero"));
  std::ofstream(folder / "r.toml") << "[run]\nseed = 5\n";
  EXPECT_EQ(read_recipe_file(folder / "r.toml"), "[run]\nseed = 5\n");
  example::Example c;
  read(load(folder / "r.toml"), example::sections(c));
  EXPECT_EQ(c.seed, 5u);
  std::ofstream(folder / "big.toml") << std::string(3 << 20, ' ');
  EXPECT_THROW(load(folder / "big.toml"), Error);
  std::filesystem::remove_all(folder);
}

TEST(Nearest, FindsSlipsOnly) {
  const std::vector<std::string> known = {"steps", "images", "seed", "batch_per_rank"};
  EXPECT_EQ(nearest("setps", known), "steps");
  EXPECT_EQ(nearest("step", known), "steps");
  EXPECT_EQ(nearest("batch_pre_rank", known), "batch_per_rank");
  EXPECT_EQ(nearest("batchperrank", known), "batch_per_rank");
  EXPECT_EQ(nearest("frobnicate", known), "");
  EXPECT_EQ(nearest("x", known), "");
  EXPECT_EQ(nearest(std::string(1 << 20, 'a'), known), "");
  EXPECT_EQ(nearest("a", {}), "");
}

}  // namespace
}  // namespace ganymede::config
