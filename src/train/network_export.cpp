#include "train/network_export.hpp"

#include <fmt/ranges.h>

#include "checkpoint/checkpoint.hpp"
#include "core/version.hpp"
#include "export/network_file.hpp"
#include "train/session.hpp"

namespace ganymede::train {
namespace {

constexpr const char* content_name = "ganymede-network";
constexpr int content_version = 1;

// The recipe whose networks have the same layers with weights that are used as they are stored.
RunConfig with_plain_layers(RunConfig config) {
  config.generator.equalized_lr = config.discriminator.equalized_lr = config.discriminator.spectral_norm = false;
  return config;
}

// A key of the recipe as it prints it, without quotes.
std::string value_of(const RunConfig& config, const char* key) {
  RunConfig copy = config;
  auto text = config::get(sections(copy), key);
  return text.starts_with('"') ? text.substr(1, text.size() - 2) : text;
}

// What the checkpoint says of its generator.
std::string attribute_of(const State& model, const char* name) {
  const auto& attributes = model.attributes.at("generator");
  const auto found = attributes.find(name);
  if (found == attributes.end()) return "0";
  return std::visit([](const auto& value) { return fmt::format("{}", value); }, found->second);
}

std::map<std::string, std::string> metadata_of(const NetworkExport& wanted, const RunConfig& config, const checkpoint::Snapshot& snapshot,
                                               const nets::Network& plain) {
  const bool is_generator = wanted.network == gan::Player::generator;
  const auto& c = snapshot.counters;
  return {{"format", "pt"},
          {"content", content_name},
          {"version", std::to_string(content_version)},
          {"program", "ganymede " + program_version()},
          {"network", plain.network_name()},
          {"weights", is_generator && !wanted.raw ? "average" : "raw"},
          {"kind", value_of(config, is_generator ? "generator.kind" : "discriminator.kind")},
          {"layers", fmt::format("{}", fmt::join(plain.describe(), "\n"))},
          {"step", std::to_string(c.step)},
          {"recipe_sha256", c.recipe_sha256},
          {"dataset_sha256", c.dataset_sha256},
          {"sample_shape", attribute_of(snapshot.model, "sample_shape")},
          {"latent", attribute_of(snapshot.model, "latent")},
          {"prior", attribute_of(snapshot.model, "prior")},
          {"latent_normalize", value_of(config, "latent.normalize")},
          {"conditional", value_of(config, "conditional.kind")},
          {"classes", attribute_of(snapshot.model, "classes")},
          {"joined", std::to_string(gan::joined_samples(config.objective))},
          {"precision", value_of(config, "run.precision")}};
}

}  // namespace

exporting::TensorFile export_network(const NetworkExport& wanted, storage::Hdf5Thread& hdf5) {
  const auto snapshot = checkpoint::load_newest(checkpoint::find(wanted.from), hdf5, check_snapshot);
  const auto config = read_config(parse_source(snapshot.recipe, "the checkpoint's config.toml", {}));
  const auto network = load_network(config, snapshot.model, wanted.network, wanted.raw);
  auto file = exporting::network_file(*network);
  const auto plain = network_for(with_plain_layers(config), snapshot.model, wanted.network);
  exporting::take_network(file, *plain, snapshot.folder.string());  // else no reader could
  file.metadata = metadata_of(wanted, config, snapshot, *plain);
  return file;
}

}  // namespace ganymede::train
