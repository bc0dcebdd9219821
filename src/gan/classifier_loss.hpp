// Auxiliary classifier: D's further outputs c name the class. Odena et al. 2017, "Conditional Image Synthesis with Auxiliary
// Classifier GANs", equations 2 and 3: both players add w·mean CE(c(x), y), CE = −log softmax(c)_y; D over reals and (unless
// switched off) fakes, G over its fakes.
#pragma once
#include <memory>

#include "gan/terms.hpp"

namespace ganymede::gan {

std::unique_ptr<DiscriminatorTerm> make_classifier_loss_of_d(double weight, bool on_fakes);
std::unique_ptr<GeneratorTerm> make_classifier_loss_of_g(double weight);

}  // namespace ganymede::gan
