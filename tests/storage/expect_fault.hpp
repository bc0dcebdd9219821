// Expects an Error of one Fault whose text holds every given word: what, where and what to do are part of the contract.
#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "core/error.hpp"

namespace ganymede {

inline void expect_fault(Fault fault, const std::vector<std::string>& words, const std::function<void()>& work) {
  try {
    work();
    ADD_FAILURE() << "nothing was thrown, expected exit code " << static_cast<int>(fault);
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), static_cast<int>(fault)) << error.what();
    for (const auto& word : words) EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << "no '" << word << "' in: " << error.what();
  }
}

}  // namespace ganymede
