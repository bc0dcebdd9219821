#include <ATen/ATen.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <png.h>
#include <unistd.h>

#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "report/file.hpp"
#include "report/font.hpp"
#include "report/grid.hpp"
#include "report/png.hpp"
#include "report/scatter.hpp"
#include "report/temporary_folder.hpp"

namespace ganymede::report {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

/// libpng as witness: what another program would see.
at::Tensor decoded(const std::string& bytes, int64_t channels) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  EXPECT_TRUE(png_image_begin_read_from_memory(&image, bytes.data(), bytes.size())) << image.message;
  image.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  auto out = at::empty({image.height, image.width, channels}, at::kByte);
  EXPECT_TRUE(png_image_finish_read(&image, nullptr, out.data_ptr(), 0, nullptr)) << image.message;
  EXPECT_EQ(image.warning_or_error, 0u) << image.message;
  return out;
}

TEST(Png, IsReadBackPixelByPixel) {
  for (const int64_t channels : {1, 3})
    for (const auto& [height, width] : {std::pair<int64_t, int64_t>{1, 1}, {7, 5}, {92, 122}}) {
      const auto picture = at::randint(256, {height, width, channels}, at::kByte);
      EXPECT_TRUE(at::equal(decoded(encode_png(picture, {{"step", "500"}}), channels), picture));
    }
  const auto strided = at::randint(256, {3, 6, 8}, at::kByte).permute({1, 2, 0});
  EXPECT_TRUE(at::equal(decoded(encode_png(strided), 3), strided));
}

TEST(Png, CarriesTexts) {
  const auto picture = at::zeros({2, 2, 1}, at::kByte);
  const auto bytes = encode_png(picture, {{"step", "500"}, {"recipe_sha256", "ab12"}, {"run", "caf\xc3\xa9"}});
  EXPECT_THAT(png_texts(bytes), ElementsAre(Pair("step", "500"), Pair("recipe_sha256", "ab12"), Pair("run", "caf??")));
  EXPECT_EQ(bytes, encode_png(picture, png_texts(bytes))) << "equal input, equal bytes";
  EXPECT_THAT(png_texts(encode_png(picture)), ElementsAre());
  for (size_t size = 0; size < bytes.size(); ++size) png_texts(std::string_view(bytes).substr(0, size));
  EXPECT_THAT(png_texts("no png"), ElementsAre());
  EXPECT_THROW(encode_png(picture, {{"", "x"}}), Error);
}

TEST(Png, RefusesOtherTensors) {
  for (const auto& wrong : {at::zeros({2, 2}, at::kByte), at::zeros({2, 2, 2}, at::kByte), at::zeros({2, 2, 3}), at::zeros({0, 2, 3}, at::kByte)})
    EXPECT_THROW(encode_png(wrong), Error);
}

TEST(Png, IsWrittenWholeOrNotAtAll) {
  const TemporaryFolder folder;
  const auto picture = at::full({4, 4, 3}, 9, at::kByte);
  write_png(folder / "a.png", at::zeros({4, 4, 1}, at::kByte));
  write_png(folder / "a.png", picture);
  EXPECT_TRUE(at::equal(decoded(contents(folder / "a.png"), 3), picture));
  EXPECT_EQ(folder.files(), 1u) << "no temporary file stays";
  std::filesystem::create_directory(folder / "taken");
  for (const auto& file : {folder / "taken", folder.path() / "none" / "a.png"}) {
    try {
      write_png(file, picture);
      FAIL() << file;
    } catch (const Error& error) {
      EXPECT_EQ(error.fault(), Fault::cannot_write);
      EXPECT_THAT(error.what(), HasSubstr(folder.path().string()));
    }
  }
  EXPECT_EQ(folder.files(), 2u) << "a failure leaves nothing behind";
}

TEST(File, NamesAFullDevice) {
  const int always_full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  ASSERT_GE(always_full, 0);
  try {
    write_all(always_full, "x", "results");
    ADD_FAILURE() << "written";
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::cannot_write);
    EXPECT_THAT(error.what(), HasSubstr("free space there"));
  }
  ::close(always_full);
}

TEST(Grid, IsTheInverseOfScaling) {
  const auto bytes = at::arange(256, at::kByte);
  for (const auto type : {at::kFloat, at::kDouble}) EXPECT_TRUE(at::equal(to_bytes(bytes.to(type) / 127.5 - 1), bytes));
  const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  const auto edge = at::tensor({-1.0, 1.0, 0.0, -7.0, 7.0, nan, inf, -inf}, at::kDouble);
  const auto expected = at::tensor({0, 255, 128, 0, 255, 0, 255, 0}, at::kByte);
  for (const auto type : {at::kFloat, at::kDouble, at::kBFloat16}) EXPECT_TRUE(at::equal(to_bytes(edge.to(type)), expected));
}

TEST(Grid, HasTheSpecifiedSize) {
  EXPECT_EQ(grid(at::zeros({9, 1, 28, 28}), 4).sizes(), (std::vector<int64_t>{92, 122, 1}));
  EXPECT_EQ(grid(at::zeros({3, 3, 10, 20})).sizes(), (std::vector<int64_t>{14, 68, 3}));
  EXPECT_EQ(grid(at::zeros({1, 2, 4, 4})).sizes(), (std::vector<int64_t>{8, 8, 1}));
  EXPECT_EQ(grid(at::zeros({1, 4, 4, 4})).sizes(), (std::vector<int64_t>{8, 8, 3}));
  EXPECT_THROW(grid(at::zeros({0, 1, 4, 4})), Error);
  EXPECT_THROW(grid(at::zeros({1, 4, 4})), Error);
  EXPECT_THROW(grid(at::zeros({1, 1, 4, 4}), 0), Error);
}

TEST(Grid, PutsEachPictureInItsPlace) {
  const auto pictures = at::rand({9, 3, 5, 7}) * 2 - 1;
  const auto sheet = grid(pictures, 4);
  auto rest = sheet.clone();
  for (int64_t i = 0; i < 9; ++i) {
    const auto tile = [&](const at::Tensor& of) {
      const int64_t top = 2 + i / 4 * 7, left = 2 + i % 4 * 9;
      return of.slice(0, top, top + 5).slice(1, left, left + 7);
    };
    EXPECT_TRUE(at::equal(tile(sheet), to_bytes(pictures[i]).permute({1, 2, 0}))) << i;
    tile(rest).zero_();
  }
  EXPECT_EQ(rest.count_nonzero().item<int64_t>(), 0) << "the ground is black";
}

TEST(ContactSheet, WritesALabelBelowEachPicture) {
  const auto pictures = at::full({3, 28, 28, 1}, 100, at::kByte);
  const auto sheet = contact_sheet(pictures, {"7", "label 12", ""}, 2);
  const int64_t tile_width = text_width("label 12"), tile_height = 28 + 1 + text_height + 1;
  EXPECT_EQ(tile_width, 47);
  EXPECT_EQ(sheet.sizes(), (std::vector<int64_t>{2 + 2 * (tile_height + 2), 2 + 2 * (tile_width + 2), 1}));
  // The 7, dot by dot: another glyph or place would show.
  const char* seven[] = {"#####", "....#", "...#.", "..#..", ".#...", ".#...", ".#..."};
  for (int64_t y = 0; y < text_height; ++y)
    for (int64_t x = 0; x < 5; ++x)
      EXPECT_EQ(sheet[2 + 29 + y][2 + x][0].item<int64_t>(), seven[y][x] == '#' ? 255 : 0) << y << ' ' << x;
  EXPECT_TRUE(at::equal(contact_sheet(pictures, {}, 2), grid_of_bytes(pictures, 2)));
  EXPECT_THROW(contact_sheet(pictures, {"1"}, 2), Error);
}

TEST(Font, StaysInsideThePicture) {
  auto picture = at::zeros({5, 5, 3}, at::kByte);
  draw_text(picture, -3, -3, "WWW");
  draw_text(picture, 3, 3, "\xff~");
  EXPECT_GT(picture.count_nonzero().item<int64_t>(), 0);
  auto upper = at::zeros({7, 200, 1}, at::kByte), lower = upper.clone();
  draw_text(upper, 0, 0, "ABCXYZ?");
  draw_text(lower, 0, 0, "abcxyz%");
  EXPECT_TRUE(at::equal(upper, lower));
  EXPECT_EQ(text_width(std::string(1000, 'a')), longest_text * 6 - 1);
}

TEST(Scatter, PutsPointsWhereTheyAre) {
  const double nan = std::nan("");
  const auto points = at::tensor({1.0, 1.5, -1.0, -1.5, 99.0, 0.25, nan, 0.0}, at::kDouble).view({4, 2});
  const auto picture = scatter(points, 2);
  EXPECT_EQ(picture.sizes(), (std::vector<int64_t>{512, 512, 1}));
  const auto at = [&](int64_t row, int64_t column) { return picture[row][column][0].item<int64_t>(); };
  EXPECT_EQ(at(64, 384), 0) << "right and up";
  EXPECT_EQ(at(448, 128), 0) << "left and down";
  EXPECT_EQ(at(224, 511), 0) << "outside: on the edge";
  EXPECT_EQ((picture == 0).sum().item<int64_t>(), 9 + 9 + 6) << "three dots, not a fourth for NaN";
  EXPECT_EQ(at(10, 10), 255);
  EXPECT_EQ(at(256, 10), 220);
  EXPECT_EQ(scatter(at::zeros({3, 1}), 1)[256][256][0].item<int64_t>(), 0);
  EXPECT_THROW(scatter(at::zeros({3}), 1), Error);
}

TEST(Scatter, ChoosesARoundBoxWithRoom) {
  const auto box = [](double largest) { return box_for(at::tensor({0.1, -largest}, at::kDouble).view({1, 2})); };
  EXPECT_DOUBLE_EQ(box(2.0), 3);
  EXPECT_DOUBLE_EQ(box(1.0), 1.5);
  EXPECT_DOUBLE_EQ(box(4.1), 7);
  EXPECT_DOUBLE_EQ(box(7.0), 10);
  EXPECT_DOUBLE_EQ(box(0.1), 0.15);
  EXPECT_DOUBLE_EQ(box_for(at::zeros({2, 2})), 1);
  EXPECT_DOUBLE_EQ(box_for(at::full({2, 2}, std::nan(""))), 1);
}

}  // namespace
}  // namespace ganymede::report
