#include "data/sample_source.hpp"

#include "core/error.hpp"
#include "data/sampling_rules.hpp"

namespace ganymede::data {

std::unique_ptr<SampleSource> make_source(const SourceSetup& setup) {
  check_sampling(setup.config, setup.plan);
  check_sampling(setup.config, setup.plan, setup.dataset.samples());
  check_sampling(setup.config, setup.dataset);
  if (setup.config.class_balanced) return make_balanced_source(setup);
  switch (setup.config.sampling) {
    case Sampling::stream: return make_stream_source(setup);
    case Sampling::replacement: return make_replacement_source(setup);
    case Sampling::synth: return make_synth_source(setup);
    case Sampling::table: return make_table_source(setup);
  }
  throw Error(Fault::bug, "an unknown way of sampling");
}

}  // namespace ganymede::data
