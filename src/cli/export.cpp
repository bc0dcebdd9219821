// ganymede export: a trained network as a file for other programs.
#include <cstdio>

#include "cli/commands.hpp"
#include "core/error.hpp"
#include "storage/files.hpp"
#include "train/network_export.hpp"

namespace ganymede::cli {
namespace {

const std::map<std::string, gan::Player> networks = {{"generator", gan::Player::generator}, {"discriminator", gan::Player::discriminator}};

struct Options {
  train::NetworkExport wanted;
  std::string from, output, format = "safetensors";
  bool force = false;
};

int run(Options options) {
  if (!is_first_process()) return 0;
  if (!options.force && std::filesystem::exists(std::filesystem::symlink_status(options.output)))
    throw Error(Fault::cannot_write, "{} exists already", options.output).remedy("name another file, or add --force to replace it");
  options.wanted.from = options.from;
  storage::Hdf5Thread hdf5;
  storage::write_file_atomically(options.output, exporting::to_safetensors(train::export_network(options.wanted, hdf5)));
  std::printf("%s\n", options.output.c_str());
  return 0;
}

}  // namespace

void add_export(CLI::App& app, Program& program) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("export", "write a trained network to a file for other programs");
  command->add_option("run", options->from, "a run folder (its newest checkpoint) or a checkpoint folder")->required();
  command->add_option("-o,--output", options->output, "the file to write")->required();
  command
      ->add_option("--format", options->format,
                   "safetensors: the weights as plain PyTorch layers compute with them, equalized and spectrally normalized ones too")
      ->check(CLI::IsMember({"safetensors"}))
      ->capture_default_str();
  command->add_option("--network", options->wanted.network, "generator (the default) or discriminator")
      ->transform(CLI::CheckedTransformer(networks));
  command->add_flag("--raw", options->wanted.raw, "the generator's trained weights instead of their moving average");
  command->add_flag("--force", options->force, "replace a file that exists");
  command->footer("Example: ganymede export runs/00000-mnist -o generator.safetensors");
  command->callback([options, &program] { program.action = [options] { return run(*options); }; });
}

}  // namespace ganymede::cli
