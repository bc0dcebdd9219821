// Whether and how the class of a sample steers the networks: the keys of [conditional].
// planes: Mirza & Osindero 2014, "Conditional Generative Adversarial Nets"; D reads K more channels, of which the class's is 1.
// projection: Miyato & Koyama 2018 (projection_head.hpp). classifier: Odena et al. 2017, "Conditional Image Synthesis with Auxiliary
// Classifier GANs"; D also names the class. G gets the class as one-hot numbers behind its latent in all of them.
#pragma once
#include <cstdint>

namespace ganymede::config {
class Fields;
}

namespace ganymede::nets {

enum class ConditionalKind { none, planes, projection, classifier };
/// Where the classes of fakes come from: those of the reals beside them, each equally often, or as often as in the data.
enum class FakeLabels { real, uniform, empirical };

struct ConditionalConfig {
  ConditionalKind kind = ConditionalKind::none;
  FakeLabels fake_labels = FakeLabels::real;           // of the fakes that D learns from
  FakeLabels generator_labels = FakeLabels::uniform;   // of the fakes that G learns from
  double classifier_weight = 1.0;                      // of the cross entropy in both losses
  bool classifier_fakes = true;                        // D learns to name fakes too
};
void describe(config::Fields& fields, ConditionalConfig& c);

/// What the networks need to know of it.
struct Conditioning {
  ConditionalKind kind = ConditionalKind::none;
  int64_t classes = 0;  // K of the data set; means nothing for `none`
  /// Numbers that a latent is longer by.
  int64_t latent_extra() const { return kind == ConditionalKind::none ? 0 : classes; }
  /// Channels (points: numbers) that one sample is wider by where D reads it.
  int64_t planes() const { return kind == ConditionalKind::planes ? classes : 0; }
  /// Columns of D's output: the logit and, behind it, a score for each class.
  int64_t outputs() const { return kind == ConditionalKind::classifier ? 1 + classes : 1; }
};

}  // namespace ganymede::nets
