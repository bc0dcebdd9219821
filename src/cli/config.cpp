// ganymede config show: the resolved recipe.
#include <cstdio>

#include "cli/commands.hpp"
#include "train/run_config.hpp"

namespace ganymede::cli {
namespace {

struct Options {
  std::string recipe;
  std::vector<std::string> sets;
  bool origin = false;
};

int show(const Options& options) {
  if (!is_first_process()) return 0;
  const auto source = train::load_source(options.recipe, options.sets);
  auto config = train::read_config(source);
  const auto text = options.origin ? config::print_with_origin(source, train::sections(config)) : train::print_config(config);
  std::fputs(text.c_str(), stdout);
  return 0;
}

}  // namespace

void add_config(CLI::App& app, Program& program) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("config", "recipes")->require_subcommand(1);
  command->footer("Example: ganymede config show launch/recipes/mnist.toml");
  auto* show_command = command->add_subcommand("show", "print a recipe with every default filled in");
  show_command->add_option("recipe", options->recipe, "a TOML recipe")->required();
  show_command->add_option("--set", options->sets, "override one key: section.key=value")->expected(1)->take_all();
  show_command->add_flag("--origin", options->origin, "say where each value comes from");
  show_command->footer("Example: ganymede config show launch/recipes/mnist.toml --origin");
  show_command->callback([options, &program] { program.action = [options] { return show(*options); }; });
}

}  // namespace ganymede::cli
