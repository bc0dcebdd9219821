// The classifier that counts digits in generated pictures: a small CNN that the GAN never sees.
//   conv3 1->32, ReLU, 2x2 max pool, conv3 32->64, ReLU, pool, Linear 3136->128, ReLU, dropout 0.25, Linear 128->10; convolutions
//   padded by 1; 421,642 parameters, named as those of the same torch.nn.Sequential. Input (x − 0.1307)/0.3081 of grey in [0,1].
// Two of them are two metrics: a figure names the SHA-256 of the file that it used.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>

#include "core/rng.hpp"
#include "export/safetensors.hpp"
#include "nets/network.hpp"

namespace ganymede::evaluate {

inline constexpr int64_t digit_side = 28, digit_classes = 10, digit_features = 128;

std::shared_ptr<nets::Network> make_digit_classifier();
/// PyTorch's default, uniform ±1/√fan_in for weights and biases: purpose init, index 2, place = the parameter's number.
void initialize_digit_classifier(nets::Network& classifier, const Rng& rng);

/// Grey bytes [n,28,28] -> [n,1,28,28] float32.
at::Tensor digit_input(const at::Tensor& bytes);

struct JudgedDigits {
  at::Tensor probabilities;  // [n,10] float64, rows summing to 1
  at::Tensor features;       // [n,128] float32: behind the last ReLU
};
/// Grey bytes [n,28,28], a few at a time, in evaluation mode; the mode is left as it was.
JudgedDigits judge_digits(nets::Network& classifier, const at::Tensor& bytes);

/// Its weights under their names, and back. Throws Error(Fault::bad_data) where the file holds other names, shapes or types, or a
/// weight that is not finite.
exporting::TensorFile digit_classifier_file(const nets::Network& classifier);
std::shared_ptr<nets::Network> digit_classifier_of(const exporting::TensorFile& file, const std::string& name);

}  // namespace ganymede::evaluate
