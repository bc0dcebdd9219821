#include "data/data_config.hpp"

#include <gtest/gtest.h>

#include "config/fields.hpp"

namespace ganymede::data {
namespace {

TEST(DataConfig, DescribesEveryKeyWithItsBounds) {
  DataConfig config;
  config::Fields fields;
  describe(fields, config);
  EXPECT_EQ(fields.names(), (std::vector<std::string>{"path", "global_batch", "batch_per_rank", "streams", "window", "cache_mib", "prefetch", "sampling",
                                                    "class_balanced", "table_rows", "table_members", "holdout"}));
  EXPECT_FALSE(fields.find("streams")->value().has_value());
  for (const char* key : {"global_batch", "batch_per_rank", "streams", "window", "prefetch", "table_rows", "table_members"}) {
    EXPECT_TRUE(fields.find(key)->assign(int64_t{0}).has_value()) << key;
    EXPECT_FALSE(fields.find(key)->assign(int64_t{3}).has_value()) << key;
  }
  EXPECT_FALSE(fields.find("cache_mib")->assign(int64_t{0}).has_value());
  EXPECT_TRUE(fields.find("cache_mib")->assign(int64_t{-1}).has_value());
  EXPECT_TRUE(fields.find("holdout")->assign(int64_t{-1}).has_value());
  EXPECT_TRUE(fields.find("sampling")->assign(std::string("random")).has_value());
  EXPECT_FALSE(fields.find("sampling")->assign(std::string("table")).has_value());
  EXPECT_EQ(config.sampling, Sampling::table);
  EXPECT_EQ(config.streams, 3);
  EXPECT_EQ(config.cache_mib, 0);
}

}  // namespace
}  // namespace ganymede::data
