// How a weight gets its first value; the numbers are drawn by counter, see Network::initialize().
#pragma once

namespace ganymede::nets {

struct Init {
  enum class Kind { constant, normal, uniform } kind = Kind::constant;
  double a = 0.0;  // constant: the value; normal: mean; uniform: lower bound
  double b = 0.0;  // normal: standard deviation; uniform: upper bound
  static Init constant(double value) { return {Kind::constant, value, 0.0}; }
  static Init normal(double mean, double std) { return {Kind::normal, mean, std}; }
  static Init uniform(double lo, double hi) { return {Kind::uniform, lo, hi}; }
};

}  // namespace ganymede::nets
