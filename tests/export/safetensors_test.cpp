#include "export/safetensors.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <cstring>

#include "core/error.hpp"

namespace ganymede::exporting {
namespace {

std::string file_of(const std::string& header, size_t data_bytes, std::optional<uint64_t> claimed = {}) {
  const uint64_t length = claimed.value_or(header.size());
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + std::string(data_bytes, '\1');
}

// Fault and cause in one: a file refused for another reason than the one meant would prove nothing.
void expect_refused(const std::string& bytes, const std::string& reason) {
  try {
    from_safetensors(bytes, "a.safetensors");
    ADD_FAILURE() << "read a file that should be refused: " << reason;
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::bad_data);
    EXPECT_THAT(error.what(), testing::HasSubstr(reason));
  }
}

TensorFile example() {
  TensorFile file;
  file.tensors["a.weight"] = at::arange(6, at::kFloat).view({2, 3}) / 7.0;
  file.tensors["b"] = at::arange(4, at::kDouble) / 3.0;
  file.tensors["c"] = at::tensor(std::vector<int64_t>{-1, 1ll << 60});
  file.tensors["d"] = at::arange(5, at::kByte);
  file.tensors["empty"] = at::empty({0, 3});
  file.tensors["scalar"] = at::full({}, 2.5);
  file.metadata = {{"format", "pt"}, {"text", "ä \"quoted\" \n"}};
  return file;
}

TEST(Safetensors, ReadsBackWhatItWrote) {
  const auto file = example();
  const auto bytes = to_safetensors(file);
  const auto back = from_safetensors(bytes, "a");
  EXPECT_EQ(back.metadata, file.metadata);
  ASSERT_EQ(back.tensors.size(), file.tensors.size());
  for (const auto& [name, tensor] : file.tensors) {
    ASSERT_TRUE(back.tensors.contains(name)) << name;
    EXPECT_EQ(back.tensors.at(name).scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(back.tensors.at(name).equal(tensor)) << name;
  }
  EXPECT_EQ(to_safetensors(back), bytes);
}

TEST(Safetensors, WritesRowMajorWhateverTheMemoryFormat) {
  TensorFile file;
  file.tensors["x"] = at::arange(24, at::kFloat).view({1, 2, 3, 4}).contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_TRUE(from_safetensors(to_safetensors(file), "a").tensors.at("x").flatten().equal(at::arange(24, at::kFloat)));
}

// The layout as documented, byte by byte.
TEST(Safetensors, StandAlignedBehindTheirHeader) {
  const auto bytes = to_safetensors(example());
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  EXPECT_EQ(length % 8, 0u);
  EXPECT_EQ(bytes[8], '{');
  double first = 0;
  std::memcpy(&first, bytes.data() + 8 + length + 8, 8);  // "b" is the first of the widest
  EXPECT_DOUBLE_EQ(first, 1.0 / 3.0);
}

TEST(Safetensors, ReadsAFileOfAnotherWriter) {
  const auto file = from_safetensors(file_of(R"({"x":{"dtype":"U8","shape":[2,1],"data_offsets":[0,2]}}   )", 2), "a");
  EXPECT_TRUE(file.tensors.at("x").equal(at::ones({2, 1}, at::kByte)));
  EXPECT_TRUE(from_safetensors(file_of("{}", 0), "a").tensors.empty());
}

TEST(Safetensors, RefusesHostileHeaders) {
  expect_refused("", "0 bytes");
  expect_refused("1234567", "7 bytes");
  expect_refused(file_of("{}", 0, 3), "claims 3 bytes");
  expect_refused(file_of("{}", 0, UINT64_MAX), "claims");
  expect_refused(file_of(std::string(most_header_bytes + 1, ' '), 0), "claims");
  expect_refused(file_of("", 0), "begin with");
  expect_refused(file_of(" {}", 0), "begin with");
  expect_refused(file_of("{", 0), "no JSON");
  expect_refused(file_of("{} x", 0), "no JSON");
  expect_refused(file_of(std::string("{\"x\":") + std::string(100'000, '['), 0), "no JSON");
  expect_refused(file_of(R"({"__metadata__":{"a":1}})", 0), "no text");
  expect_refused(file_of(R"({"__metadata__":[]})", 0), "no JSON object");
  expect_refused(file_of(R"({"__metadata__":{"a":"1","a":"2"}})", 0), "twice");
  expect_refused(file_of(R"({"__metadata__":{"a":[[[[1]]]]}})", 0), "deeper");
}

std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"x":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

TEST(Safetensors, RefusesEntriesThatDoNotFit) {
  expect_refused(file_of(R"({"x":1})", 0), "not made of");
  expect_refused(file_of(R"({"x":{"dtype":"U8","shape":[]}})", 1), "not made of");
  expect_refused(file_of(R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"more":1}})", 1), "not made of");
  for (const char* dtype : {R"("BF16")", R"("f32")", "7", "null"}) expect_refused(file_of(entry(dtype, "[1]", "[0,1]"), 1), "has the type");
  for (const char* shape : {"[-1]", "[1.0]", "[18446744073709551615]", R"(["1"])"})
    expect_refused(file_of(entry("\"U8\"", shape, "[0,1]"), 1), "no natural number");
  expect_refused(file_of(entry("\"U8\"", "1", "[0,1]"), 1), "no list");
  expect_refused(file_of(entry("\"U8\"", "[1,1,1,1,1,1,1,1,1]", "[0,1]"), 1), "no list");
  expect_refused(file_of(entry("\"F64\"", "[4294967296,4294967296]", "[0,0]"), 0), "impossible");
  expect_refused(file_of(entry("\"F64\"", "[0,4294967296,4294967296]", "[0,0]"), 0), "impossible");
  expect_refused(file_of(entry("\"U8\"", "[4294967296,4294967295,3]", "[0,1]"), 1), "impossible");
  expect_refused(file_of(entry("\"F32\"", "[1]", "[0,5]"), 5), "does not fit");
  expect_refused(file_of(entry("\"F32\"", "[2]", "[0,4]"), 4), "does not fit");
  expect_refused(file_of(entry("\"U8\"", "[1]", "[0]"), 1), "not two numbers");
  expect_refused(file_of(entry("\"U8\"", "[1]", "[0,2]"), 1), "outside");
  expect_refused(file_of(entry("\"U8\"", "[1]", "[1,0]"), 1), "outside");
  expect_refused(file_of(entry("\"U8\"", "[1]", "[9223372036854775806,9223372036854775807]"), 1), "outside");
  expect_refused(file_of(entry("\"U8\"", "[1]", "[-1,0]"), 1), "no natural number");
  expect_refused(file_of(entry("\"U8\"", "[1]", "[1,2]"), 2), "no tensor before");
  expect_refused(file_of(entry("\"U8\"", "[1]", "[0,1]"), 2), "behind the last");
  expect_refused(file_of("{}", 1), "behind the last");
}

TEST(Safetensors, RefusesTensorsThatOverlapOrLeaveHoles) {
  const auto two = [](const char* name, const char* a, const char* b) {
    const auto one = [](const char* of, const char* offsets) {
      return fmt::format(R"("{}":{{"dtype":"U8","shape":[2],"data_offsets":{}}})", of, offsets);
    };
    return "{" + one("x", a) + "," + one(name, b) + "}";
  };
  expect_refused(file_of(two("y", "[0,2]", "[1,3]"), 3), "overlaps");
  expect_refused(file_of(two("y", "[0,2]", "[0,2]"), 2), "overlaps");
  expect_refused(file_of(two("y", "[0,2]", "[3,5]"), 5), "no tensor before");
  expect_refused(file_of(two("x", "[0,2]", "[2,4]"), 4), "twice");
}

// Cut anywhere, a file is refused; with one byte changed it is refused or reads as some file, but never reads outside itself.
TEST(Safetensors, OfDamagedBytesIsNeverReadBeyondItsEnd) {
  const auto bytes = to_safetensors(example());
  for (size_t cut = 0; cut < bytes.size(); ++cut) EXPECT_THROW(from_safetensors(std::string(bytes, 0, cut), "a"), Error) << cut;
  for (size_t at = 0; at < bytes.size(); ++at)
    for (const char value : {'\0', '9', '\xff'}) {
      auto damaged = bytes;
      damaged[at] = value;
      try {
        from_safetensors(damaged, "a");
      } catch (const Error& error) {
        EXPECT_EQ(error.fault(), Fault::bad_data);
      }
    }
}

TEST(Safetensors, CannotHoldOtherTypes) {
  TensorFile file;
  file.tensors["x"] = at::zeros({1}, at::kHalf);
  EXPECT_THROW(to_safetensors(file), Error);
}

}  // namespace
}  // namespace ganymede::exporting
