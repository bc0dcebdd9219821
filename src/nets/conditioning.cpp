#include "nets/conditioning.hpp"

#include "config/fields.hpp"

namespace ganymede::nets {

void describe(config::Fields& fields, ConditionalConfig& c) {
  fields.choice("kind", c.kind,
                {{"none", ConditionalKind::none},
                 {"planes", ConditionalKind::planes},
                 {"projection", ConditionalKind::projection},
                 {"classifier", ConditionalKind::classifier}},
                "how D uses the class; G gets it in all but none");
  fields.choice("fake_labels", c.fake_labels,
                {{"real", FakeLabels::real}, {"uniform", FakeLabels::uniform}, {"empirical", FakeLabels::empirical}},
                "classes of D's fakes: the real batch's, each alike, or as frequent as in the data");
  fields.choice("generator_labels", c.generator_labels, {{"uniform", FakeLabels::uniform}, {"empirical", FakeLabels::empirical}},
                "classes of G's fakes: each alike, or as frequent as in the data");
  fields.number("classifier_weight", c.classifier_weight, "classifier: weight of the cross entropy").at_least(0);
  fields.flag("classifier_fakes", c.classifier_fakes, "classifier: D learns to name fakes too");
}

}  // namespace ganymede::nets
