// A checkpoint is a folder `step-000500` that holds model.h5 (all tensors) and state.json (counters, and a SHA-256 a file).
// It is written as `.tmp-…`, synced, agreed upon by all ranks, renamed; LATEST (one line, the folder's name) comes last.
// So a checkpoint is old or new, never torn; a folder without its hashes intact is refused by name.
#pragma once
#include <cstdint>
#include <string>

#include <fmt/format.h>

namespace ganymede::checkpoint {

inline constexpr const char* folder_name = "checkpoints";
inline constexpr const char* latest_name = "LATEST";
inline constexpr const char* model_name = "model.h5";
inline constexpr const char* state_name = "state.json";
inline constexpr const char* recipe_name = "config.toml";
inline constexpr const char* format_name = "ganymede-checkpoint";
inline constexpr const char* model_format_name = "ganymede-model";
inline constexpr int64_t version = 1;

inline std::string step_folder(int64_t step) { return fmt::format("step-{:06}", step); }

}  // namespace ganymede::checkpoint
