// Data sets from formulas: moments, shares, what is remembered of the formula, stacked digits.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "data/build.hpp"
#include "data/data_sets.hpp"
#include "data/dataset.hpp"
#include "storage/expect_fault.hpp"
#include "storage/temporary_folder.hpp"

namespace ganymede::data {
namespace {

using Json = nlohmann::ordered_json;

class Synth : public testing::Test {
 protected:
  struct Read {
    at::Tensor points, labels;
  };
  Read read_points(const std::string& name) {
    Dataset dataset(folder_ / name, thread_);
    Read read{at::empty({dataset.samples(), dataset.manifest().shape.at(0)}, at::kFloat), at::empty({dataset.samples()}, at::kInt)};
    dataset.read(0, dataset.samples(), reinterpret_cast<uint8_t*>(read.points.data_ptr<float>()), reinterpret_cast<uint8_t*>(read.labels.data_ptr<int32_t>()));
    return read;
  }
  // Each component's share within 4 deviations of its own, its mean and spread within 5.
  void expect_moments(const Read& read, const Mixture& mixture) {
    const auto n = static_cast<double>(read.points.size(0));
    const auto shares = mixture.shares();
    for (size_t k = 0; k < mixture.centres.size(); ++k) {
      const auto own = read.points.index({read.labels.eq(static_cast<int>(k))}).to(at::kDouble);
      const auto count = static_cast<double>(own.size(0));
      EXPECT_NEAR(count, n * shares[k], 4 * std::sqrt(n * shares[k] * (1 - shares[k]))) << k;
      for (int64_t axis = 0; axis < mixture.dims(); ++axis) {
        EXPECT_NEAR(own.select(1, axis).mean().item<double>(), mixture.centres[k][axis], 5 * mixture.sd[k] / std::sqrt(count)) << k;
        EXPECT_NEAR(own.select(1, axis).std().item<double>(), mixture.sd[k], 5 * mixture.sd[k] / std::sqrt(2 * count)) << k;
      }
    }
  }
  // n grey images 3 x 2, image i filled with i, label i mod 10.
  void write_digits(const std::string& name, int64_t n, int64_t channels = 1) {
    std::filesystem::create_directories(folder_ / name);
    Manifest about = describe_images(n, false);
    about.shape = {3, 2, channels};
    about.classes.emplace();
    for (int digit = 0; digit < 10; ++digit) about.classes->push_back(std::to_string(digit));
    DatasetWriter writer(thread_, folder_ / name, about, 512);
    writer.add(at::arange(n).reshape({n, 1, 1, 1}).expand({n, 3, 2, channels}).to(at::kByte).contiguous(), at::arange(n).remainder(10).to(at::kInt));
    writer.finish();
  }

  storage::TemporaryFolder folder_;
  storage::Hdf5Thread thread_;
};

TEST_F(Synth, NamedMixturesHaveTheirMoments) {
  const auto named = ring(5, 3, 0.2);
  const auto manifest = synth_mixture(named, {.output = folder_ / "ring", .samples = 40'000, .seed = 8}, thread_);
  EXPECT_TRUE(manifest.is_points());
  EXPECT_EQ(manifest.classes->at(4), "mode 4");
  EXPECT_NE(manifest.source.find("0.2"), std::string::npos);
  EXPECT_EQ(manifest.mixture, named.mixture);
  EXPECT_EQ(read_manifest(folder_ / "ring").mixture, named.mixture);  // through the text, to the last bit
  EXPECT_NEAR(named.mixture.centres[1][0], 3 * std::cos(2 * M_PI / 5), 1e-15);
  expect_moments(read_points("ring"), named.mixture);
  EXPECT_EQ(synth_mixture(named, {.output = folder_ / "again", .samples = 40'000, .seed = 8}, thread_).sha256, manifest.sha256);

  synth_mixture(grid(), {.output = folder_ / "grid", .samples = 50'000, .seed = 9}, thread_);
  const auto five = read_manifest(folder_ / "grid").mixture.value();
  EXPECT_EQ(five.components(), 25);
  EXPECT_EQ(five.centres[1], (std::vector<double>{-3, -1.5}));
  EXPECT_EQ(five.centres[24], (std::vector<double>{3, 3}));
  expect_moments(read_points("grid"), five);
  EXPECT_EQ(grid(2, 1, 0).mixture.centres, (std::vector<std::vector<double>>{{-0.5, -0.5}, {-0.5, 0.5}, {0.5, -0.5}, {0.5, 0.5}}));

  synth_mixture(gmm1d(), {.output = folder_ / "line", .samples = 50'000, .seed = 10}, thread_);
  const auto line = read_manifest(folder_ / "line");
  EXPECT_EQ(line.shape, (std::vector<int64_t>{1}));
  EXPECT_EQ(line.range_low, -11);
  EXPECT_EQ(line.range_high, 117);
  expect_moments(read_points("line"), line.mixture.value());
}

TEST_F(Synth, BalancedAndScaledIsTheToyOfTwentyFive) {
  const auto manifest = synth_mixture(grid(5, 2, 0.05), {.output = folder_ / "toy", .samples = 100'000, .seed = 1, .scale = 2.828, .balanced = true}, thread_);
  EXPECT_EQ(manifest.counts, std::vector<int64_t>(25, 4'000));
  EXPECT_NEAR(manifest.mixture->centres[0][0], -4 / 2.828, 1e-15);
  EXPECT_NEAR(manifest.mixture->sd[0], 0.05 / 2.828, 1e-15);
  EXPECT_NE(manifest.source.find("2.828"), std::string::npos);
  const auto read = read_points("toy");
  expect_moments(read, *manifest.mixture);
  // Shuffled: no order is left that a window of a stream could see.
  const auto early = at::bincount(read.labels.slice(0, 0, 10'000).to(at::kLong), {}, 25);
  EXPECT_LE((early - 400).abs().max().item<int64_t>(), 90);  // 4.6 deviations
  EXPECT_GT((read.labels.slice(0, 1) - read.labels.slice(0, 0, 99'999)).ne(1).sum().item<int64_t>(), 90'000);
  expect_fault(Fault::usage, {"--balanced", "25", "1001", "1000"}, [&] { synth_mixture(grid(), {.output = folder_ / "x", .samples = 1001, .balanced = true}, thread_); });
}

TEST_F(Synth, RefusesImpossibleOptions) {
  const auto refused = [&](const std::vector<std::string>& words, const std::function<NamedMixture()>& make, MixtureOptions options) {
    options.output = folder_ / "bad";
    expect_fault(Fault::usage, words, [&] { synth_mixture(make(), options, thread_); });
    EXPECT_FALSE(std::filesystem::exists(folder_ / "bad"));
  };
  refused({"--modes 0"}, [] { return ring(0); }, {});
  refused({"--sd"}, [] { return ring(8, 2, -1); }, {});
  refused({"--radius"}, [] { return ring(8, std::nan("")); }, {});
  refused({"--side 0"}, [] { return grid(0); }, {});
  refused({"--side 257"}, [] { return grid(257); }, {});
  refused({"--spacing"}, [] { return grid(5, INFINITY); }, {});
  refused({"--samples 0"}, gmm1d, {.output = {}, .samples = 0});
  refused({"--scale 0"}, gmm1d, {.output = {}, .scale = 0});
  refused({"--scale"}, gmm1d, {.output = {}, .scale = std::nan("")});
  refused({"out of reach"}, [] { return ring(8, 1e20); }, {});
}

TEST(Mixture, PicksByWeightAsIntegersDo) {
  for (const int64_t k : {1, 3, 7, 25, 1000, 65'536}) {
    Mixture mixture;
    for (int64_t i = 0; i < k; ++i) mixture.centres.push_back({0}), mixture.sd.push_back(1), mixture.weights.push_back(1);
    const MixturePoints points(mixture);
    for (uint64_t i = 0; i < uint64_t(k); i += 1 + uint64_t(k) / 1000)
      for (const int64_t beside : {-1, 0, 1}) {
        const auto word = static_cast<uint32_t>(std::clamp<int64_t>(int64_t(((i << 32) + uint64_t(k) - 1) / uint64_t(k)) + beside, 0, UINT32_MAX));
        EXPECT_EQ(points.component(word), int64_t((uint64_t{word} * uint64_t(k)) >> 32)) << k << " " << word;
      }
    EXPECT_EQ(points.component(UINT32_MAX), k - 1);
  }
  const MixturePoints uneven({.centres = {{0}, {0}, {0}, {0}}, .sd = {1, 1, 1, 1}, .weights = {1, 0, 3, 0}});
  EXPECT_EQ(uneven.component(0), 0);
  EXPECT_EQ(uneven.component((1u << 30) - 1), 0);
  EXPECT_EQ(uneven.component(1u << 30), 2);
  EXPECT_EQ(uneven.component(UINT32_MAX), 2);
}

TEST_F(Synth, AFormulaThatDoesNotFitIsRefused) {
  synth_mixture(ring(3), {.output = folder_ / "ring", .samples = 100}, thread_);
  const auto path = folder_ / "ring" / "manifest.json";
  const Json whole = Json::parse(read_bytes(path));
  const auto refused = [&](const std::vector<std::string>& words, const std::function<void(Json&)>& change) {
    Json changed = whole;
    change(changed);
    write_bytes(path, changed.dump());
    expect_fault(Fault::bad_data, words, [&] { read_manifest(folder_ / "ring"); });
  };
  for (const auto& [key, value] : whole["formula"].items()) refused({"formula." + key, "is missing"}, [&, name = key](Json& j) { j["formula"].erase(name); });
  refused({"formula.", "no JSON object"}, [](Json& j) { j["formula"] = nullptr; });
  refused({"formula.kind", "'spiral'"}, [](Json& j) { j["formula"]["kind"] = "spiral"; });
  refused({"formula.kind", "stacked_mnist"}, [](Json& j) { j["formula"] = {{"kind", "stacked_mnist"}, {"digits", 3}}; });
  refused({"formula.dims", "is 3"}, [](Json& j) { j["formula"]["dims"] = 3; });
  refused({"formula.centres"}, [](Json& j) { j["formula"]["centres"] = Json::array(); });
  refused({"formula.centres", "2 numbers each"}, [](Json& j) { j["formula"]["centres"][1] = {1, 2, 3}; });
  refused({"formula.centres", "number"}, [](Json& j) { j["formula"]["centres"][1][0] = "1"; });
  refused({"formula.centres", "1e+31"}, [](Json& j) { j["formula"]["centres"][1][0] = 1e31; });
  refused({"formula.sd", "each of the 3"}, [](Json& j) { j["formula"]["sd"] = {1, 1}; });
  refused({"formula.sd", "-1"}, [](Json& j) { j["formula"]["sd"][0] = -1; });
  refused({"formula.sd", "number"}, [](Json& j) { j["formula"]["sd"][0] = nullptr; });
  refused({"formula.weights", "all zero"}, [](Json& j) { j["formula"]["weights"] = {0, 0, 0}; });
  refused({"formula.weights"}, [](Json& j) { j["formula"]["weights"][2] = -0.5; });
  refused({"formula.centres", "are 4", "3 classes"}, [](Json& j) {
    j["formula"]["centres"].push_back({0, 0});
    j["formula"]["sd"].push_back(1);
    j["formula"]["weights"].push_back(1);
  });
  refused({"formula.centres", "65536"}, [](Json& j) {
    j["formula"]["centres"] = std::vector<std::vector<double>>(65'537, {0, 0});
  });
  auto text = whole.dump();
  text.replace(text.find("\"sd\":[0.1"), 9, "\"sd\":[1e999");
  write_bytes(path, text);
  expect_fault(Fault::bad_data, {"no JSON"}, [&] { read_manifest(folder_ / "ring"); });
  write_bytes(path, whole.dump());
  EXPECT_EQ(read_manifest(folder_ / "ring").mixture, ring(3).mixture);
}

TEST_F(Synth, StackedDigitsAreThreeDigitsOneInEachChannel) {
  write_digits("grey", 50);
  write_digits("more", 30);
  const auto manifest = synth_stacked({.sources = {folder_ / "grey", folder_ / "more"}, .output = folder_ / "stacked", .count = 20'000, .seed = 4}, thread_);
  EXPECT_EQ(manifest.shape, (std::vector<int64_t>{3, 2, 3}));
  EXPECT_EQ(manifest.classes->at(42), "042");
  EXPECT_EQ(read_manifest(folder_ / "stacked").stacked, StackedDigits{80});
  Dataset dataset(folder_ / "stacked", thread_);
  auto images = at::empty({20'000, 3, 2, 3}, at::kByte);
  auto labels = at::empty({20'000}, at::kInt);
  dataset.read(0, 20'000, images.data_ptr<uint8_t>(), reinterpret_cast<uint8_t*>(labels.data_ptr<int32_t>()));
  const auto digits = images.select(1, 0).select(1, 0);  // every pixel of a channel is the digit's number in its source
  EXPECT_TRUE(at::equal(images, digits.reshape({20'000, 1, 1, 3}).expand_as(images)));
  const auto classes = digits.to(at::kInt).remainder(10);
  EXPECT_TRUE(at::equal(labels, classes.select(1, 0) * 100 + classes.select(1, 1) * 10 + classes.select(1, 2)));
  // All 1,000 classes are as likely here: KL(p̂ ‖ uniform) of n draws is (K − 1) / 2n ± √((K − 1) / 2) / n.
  const auto share = at::bincount(labels.to(at::kLong), {}, 1000).to(at::kDouble) / 20'000.0;
  EXPECT_NEAR((share * (share * 1000).clamp_min(1e-300).log()).sum().item<double>(), 999.0 / 40'000, 5 * std::sqrt(999.0 / 2) / 20'000);
  // Digits of the first source are drawn twice where the second has none of their number.
  const auto number = at::bincount(digits.reshape({-1}).to(at::kLong), {}, 50).to(at::kDouble);
  EXPECT_NEAR(number.slice(0, 0, 30).sum().item<double>(), 60'000 * 0.75, 5 * std::sqrt(60'000 * 0.75 * 0.25));
}

TEST_F(Synth, StackedOnceHasEveryDigitOnceInEachChannel) {
  write_digits("grey", 200);
  const auto manifest = synth_stacked({.sources = {folder_ / "grey"}, .output = folder_ / "stacked", .once = true}, thread_);
  EXPECT_EQ(manifest.samples, 200);
  Dataset dataset(folder_ / "stacked", thread_);
  auto images = at::empty({200, 3, 2, 3}, at::kByte);
  dataset.read(0, 200, images.data_ptr<uint8_t>(), nullptr);
  const auto digits = images.select(1, 0).select(1, 0).to(at::kLong);
  for (int64_t channel = 0; channel < 3; ++channel) EXPECT_TRUE(at::equal(std::get<0>(digits.select(1, channel).sort()), at::arange(200)));
  EXPECT_FALSE(at::equal(digits.select(1, 0), digits.select(1, 1)));
  EXPECT_FALSE(at::equal(digits.select(1, 1), digits.select(1, 2)));
}

TEST_F(Synth, StackedRefusesWhatIsNoDigits) {
  write_digits("grey", 20);
  write_digits("colour", 20, 2);
  write_numbered(folder_ / "three", 20, thread_);
  const auto refused = [&](Fault fault, const std::vector<std::string>& words, StackedOptions options) {
    options.output = folder_ / "bad";
    expect_fault(fault, words, [&] { synth_stacked(options, thread_); });
    EXPECT_FALSE(std::filesystem::exists(folder_ / "bad"));
  };
  refused(Fault::bad_data, {"colour", "[3,2,2]"}, {.sources = {folder_ / "grey", folder_ / "colour"}, .output = {}});
  refused(Fault::bad_data, {"three", "3 classes"}, {.sources = {folder_ / "three"}, .output = {}});
  refused(Fault::bad_data, {"absent"}, {.sources = {folder_ / "absent"}, .output = {}});
  refused(Fault::usage, {"--count 0"}, {.sources = {folder_ / "grey"}, .output = {}, .count = 0});
}

}  // namespace
}  // namespace ganymede::data
