#include "core/error.hpp"

#include <gtest/gtest.h>

namespace ganymede {

TEST(Error, CarriesCodeCauseAndRemedy) {
  try {
    throw Error(Fault::bad_data, "shard {} holds {} samples", "a.h5", 3).cause("the file ends early").remedy("copy {} again", "a.h5");
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 65);
    EXPECT_STREQ(error.what(), "shard a.h5 holds 3 samples\n  cause: the file ends early\n  remedy: copy a.h5 again");
  }
}

TEST(Error, TellsWhereOnTheWayUp) {
  Error error(Fault::io, "read failed");
  EXPECT_STREQ(error.within("epoch 3").what(), "epoch 3: read failed");
}

}  // namespace ganymede
