#include "gan/class_planes.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

namespace ganymede::gan {
namespace {

class ClassPlanes final : public Filter {
 public:
  explicit ClassPlanes(int64_t classes) : classes_(classes) {}
  void apply(Showing& showing, const Judge&) override { showing.samples = with_planes(showing.samples, showing.labels, classes_); }

 private:
  int64_t classes_;
};

}  // namespace

at::Tensor one_hot(const at::Tensor& labels, int64_t classes, at::ScalarType type) {
  return at::zeros({labels.size(0), classes}, at::TensorOptions(type)).scatter_(1, labels.view({-1, 1}), 1.0);
}

at::Tensor with_planes(const at::Tensor& x, const at::Tensor& labels, int64_t classes) {
  auto planes = one_hot(labels, classes, x.scalar_type());
  if (x.dim() > 2) {
    auto shape = x.sizes().vec();
    shape[1] = classes;
    std::vector<int64_t> narrow(shape.size(), 1);
    narrow[0] = shape[0], narrow[1] = classes;
    planes = planes.view(narrow).expand(shape);
  }
  return at::cat({x, planes}, 1);
}

std::unique_ptr<Filter> make_class_planes(int64_t classes) { return std::make_unique<ClassPlanes>(classes); }

}  // namespace ganymede::gan
