#include "storage/state_file.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "storage/expect_fault.hpp"
#include "storage/files.hpp"
#include "storage/temporary_folder.hpp"

namespace ganymede::storage {
namespace {

namespace fs = std::filesystem;

State sample_state() {
  State state;
  state.tensors["generator/0.weight"] = at::arange(24, at::kFloat).reshape({2, 3, 4}) / 7;
  state.tensors["generator/1.num_batches_tracked"] = at::scalar_tensor(7, at::kLong);
  state.tensors["optimizer/generator/exp_avg/0.weight"] = at::arange(6, at::kDouble) / 3;
  state.tensors["steps/000000/d/0/real_index"] = at::arange(5, at::kLong) * (int64_t{1} << 40);
  state.tensors["labels"] = at::arange(3, at::kInt);
  state.tensors["empty"] = at::empty({0, 3}, at::kFloat);
  state.tensors["bytes"] = at::arange(256).to(at::kByte);
  state.attributes[""] = {{"format", std::string("ganymede-model")}, {"version", int64_t{1}}, {"recipe", std::string(100'000, 'r')}, {"empty", std::string()}};
  state.attributes["optimizer/generator"] = {{"step", int64_t{1} << 50}, {"lr", 2e-4}};
  state.attributes["only/attributes"] = {{"text", std::string("grün")}};
  return state;
}

TEST(StateFile, ComesBackEqual) {
  const TemporaryFolder folder;
  Hdf5Thread thread;
  const auto state = sample_state();
  write_state(thread, folder / "model.h5", state);
  const auto back = read_state(thread, folder / "model.h5");
  EXPECT_EQ(back.attributes, state.attributes);
  ASSERT_EQ(back.tensors.size(), state.tensors.size());
  for (const auto& [name, tensor] : state.tensors) {
    const auto found = back.tensors.at(name);
    EXPECT_EQ(found.scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(at::equal(found, tensor)) << name;
  }
  EXPECT_EQ(back.tensors.at("generator/1.num_batches_tracked").dim(), 0);
}

TEST(StateFile, EqualStatesGiveEqualBytes) {
  const TemporaryFolder folder;
  Hdf5Thread thread;
  write_state(thread, folder / "a.h5", sample_state());
  write_state(thread, folder / "b.h5", read_state(thread, folder / "a.h5"));
  EXPECT_EQ(read_text(folder / "a.h5", 1 << 26), read_text(folder / "b.h5", 1 << 26));
}

TEST(StateFile, Bfloat16IsWidenedAndStridedTensorsAreLaidOut) {
  const TemporaryFolder folder;
  Hdf5Thread thread;
  State state;
  state.tensors["half"] = (at::arange(100, at::kFloat) / 3).to(at::kBFloat16);
  state.tensors["turned"] = at::arange(6, at::kFloat).reshape({2, 3}).t();
  write_state(thread, folder / "s.h5", state);
  const auto back = read_state(thread, folder / "s.h5");
  EXPECT_EQ(back.tensors.at("half").scalar_type(), at::kFloat);
  EXPECT_TRUE(at::equal(back.tensors.at("half"), state.tensors["half"].to(at::kFloat)));
  EXPECT_TRUE(at::equal(back.tensors.at("turned"), state.tensors["turned"]));
}

TEST(StateFile, NamesThatWouldMisleadAreBugs) {
  const TemporaryFolder folder;
  Hdf5Thread thread;
  for (const char* name : {"a.b/c", "a//b", "/a", "a/", "..", "a/./b", ""}) {
    State state;
    state.tensors[name] = at::zeros({1});
    EXPECT_THROW(write_state(thread, folder / "s.h5", state), Error) << name;
    EXPECT_FALSE(fs::exists(folder / "s.h5"));
  }
}

TEST(StateFile, WriterGrowsAndCanBeReadBetween) {
  const TemporaryFolder folder;
  Hdf5Thread thread;
  StateWriter writer(thread, folder / "trace.h5");
  writer.set("", "format", std::string("ganymede-trace"));
  writer.add("steps/000000/d/0/z", at::ones({4}));
  writer.flush();
  EXPECT_EQ(read_state(thread, folder / "trace.h5").tensors.size(), 1u);
  writer.add("steps/000001/d/0/z", at::ones({4}));
  EXPECT_THROW(writer.add("steps/000001/d/0/z", at::ones({4})), Error);
  writer.close();
  EXPECT_EQ(read_state(thread, folder / "trace.h5").tensors.size(), 2u);
}

TEST(StateFile, CutAnywhereIsBadData) {
  const TemporaryFolder folder;
  Hdf5Thread thread;
  auto state = sample_state();
  write_state(thread, folder / "whole.h5", state);
  const auto whole = read_text(folder / "whole.h5", 1 << 26);
  for (size_t length = 0; length < whole.size(); length += length < 4096 ? 97 : 4099) {
    write_file_atomically(folder / "cut.h5", std::string_view(whole).substr(0, length));
    expect_fault(Fault::bad_data, {"cut.h5"}, [&] { read_state(thread, folder / "cut.h5"); });
  }
}

TEST(StateFile, PlacesThatCannotBeWritten) {
  const TemporaryFolder folder;
  Hdf5Thread thread;
  expect_fault(Fault::cannot_write, {"absent"}, [&] { write_state(thread, folder / "absent" / "s.h5", sample_state()); });
  fs::create_directory(folder / "is_a_folder");
  expect_fault(Fault::cannot_write, {"is_a_folder"}, [&] { write_state(thread, folder / "is_a_folder", sample_state()); });
  expect_fault(Fault::bad_data, {"absent.h5", "does not exist"}, [&] { read_state(thread, folder / "absent.h5"); });
}

TEST(Hdf5Thread, RethrowsAndReadsGoFirst) {
  Hdf5Thread thread;
  EXPECT_THROW(thread.run(Priority::read, [] { throw Error(Fault::io, "x"); }), Error);
  std::promise<void> gate;
  std::vector<std::string> order;
  auto blocker = thread.post(Priority::write, [&] { gate.get_future().wait(); });
  auto write = thread.post(Priority::write, [&] { order.push_back("write"); });
  auto read = thread.post(Priority::read, [&] { order.push_back("read"); });
  gate.set_value();
  blocker.get();
  write.get();
  read.get();
  EXPECT_EQ(order, (std::vector<std::string>{"read", "write"}));
  bool ran = false;
  thread.run(Priority::read, [&] { thread.run(Priority::read, [&] { ran = true; }); });
  EXPECT_TRUE(ran);
}

TEST(Hdf5Thread, SeveralInOneProcessDoNotMeetInsideHdf5) {
  const TemporaryFolder folder;
  std::vector<std::thread> ranks;
  std::atomic<int> equal = 0;
  for (int rank = 0; rank < 4; ++rank)
    ranks.emplace_back([&, rank] {
      Hdf5Thread thread;
      for (int i = 0; i < 10; ++i) {
        State state;
        state.tensors["x"] = at::full({100}, rank * 10 + i);
        const auto path = folder / fmt::format("{}.h5", rank);
        write_state(thread, path, state);
        equal += at::equal(read_state(thread, path).tensors.at("x").to(at::kLong), state.tensors["x"].to(at::kLong));
      }
    });
  for (auto& rank : ranks) rank.join();
  EXPECT_EQ(equal, 40);
}

}  // namespace
}  // namespace ganymede::storage
