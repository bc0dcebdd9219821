// What the allow-list refuses, on files made with the HDF5 API itself.
#include "storage/hdf5.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <hdf5.h>

#include <fstream>

#include "storage/expect_fault.hpp"
#include "storage/files.hpp"
#include "storage/hdf5_thread.hpp"
#include "storage/temporary_folder.hpp"

namespace ganymede::storage {
namespace {

class Hdf5 : public testing::Test {
 protected:
  // A file filled by `fill(file id)`.
  std::filesystem::path make(const std::string& name, const std::function<void(hid_t)>& fill, hid_t creation = H5P_DEFAULT) {
    const auto path = folder_ / name;
    thread_.run(Priority::write, [&] {
      const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation, H5P_DEFAULT);
      ASSERT_GE(file, 0);
      fill(file);
      H5Fclose(file);
    });
    return path;
  }
  static void add(hid_t file, const char* name, hid_t type, std::vector<hsize_t> dims, hid_t creation = H5P_DEFAULT, bool is_written = true) {
    const hid_t space = H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr);
    const hid_t dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    ASSERT_GE(dataset, 0);
    std::vector<char> zeros(static_cast<size_t>(H5Sget_simple_extent_npoints(space)) * H5Tget_size(type));
    if (is_written) H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros.data());
    H5Dclose(dataset);
    H5Sclose(space);
  }
  void expect_refused(const std::filesystem::path& path, const std::vector<std::string>& words) {
    auto all = words;
    all.push_back(path.filename().string());
    expect_fault(Fault::bad_data, all, [&] { thread_.run(Priority::read, [&] { File::open(path).dataset("x"); }); });
  }

  TemporaryFolder folder_;
  Hdf5Thread thread_;
};

TEST_F(Hdf5, OpensWhatIsOnTheList) {
  const auto path = make("good.h5", [](hid_t file) {
    add(file, "x", H5T_STD_I32BE, {4, 3});
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t chunk[] = {3, 2};
    H5Pset_chunk(creation, 2, chunk);
    H5Pset_shuffle(creation);
    H5Pset_deflate(creation, 4);
    H5Pset_fletcher32(creation);
    add(file, "packed", H5T_NATIVE_DOUBLE, {10, 2}, creation);
  });
  thread_.run(Priority::read, [&] {
    const auto file = File::open(path);
    EXPECT_EQ(file.dataset("x").type(), at::kInt);
    EXPECT_EQ(file.dataset("x").chunk_rows(), 0);
    EXPECT_EQ(file.dataset("packed").chunk_rows(), 3);
    EXPECT_TRUE(at::equal(file.dataset("packed").read(), at::zeros({10, 2}, at::kDouble)));
    EXPECT_TRUE(file.has("x"));
    EXPECT_FALSE(file.has("y"));
    EXPECT_FALSE(file.has("x/y"));
    EXPECT_FALSE(file.attribute("", "none").has_value());
    std::vector<double> rows(4);
    file.dataset("packed").read_rows(8, 2, rows.data());
    EXPECT_THROW(file.dataset("packed").read_rows(9, 2, rows.data()), Error);
  });
}

TEST_F(Hdf5, MissingDatasetIsNamed) { expect_refused(make("none.h5", [](hid_t) {}), {"'x'", "missing", "remedy"}); }

TEST_F(Hdf5, LinksThatLeaveAreRefused) {
  make("other.h5", [](hid_t file) { add(file, "x", H5T_NATIVE_UINT8, {2}); });
  const auto soft = make("soft.h5", [](hid_t file) {
    add(file, "y", H5T_NATIVE_UINT8, {2});
    H5Lcreate_soft("/y", file, "x", H5P_DEFAULT, H5P_DEFAULT);
  });
  expect_refused(soft, {"soft or external"});
  const auto between = make("between.h5", [](hid_t file) {
    H5Gclose(H5Gcreate2(file, "real", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    add(file, "real/x", H5T_NATIVE_UINT8, {2});
    H5Lcreate_soft("/real", file, "group", H5P_DEFAULT, H5P_DEFAULT);
  });
  expect_fault(Fault::bad_data, {"soft or external"}, [&] { thread_.run(Priority::read, [&] { File::open(between).dataset("group/x"); }); });
  expect_fault(Fault::bad_data, {"soft or external"}, [&] { thread_.run(Priority::read, [&] { File::open(between).children(""); }); });
}

TEST_F(Hdf5, ExternalStorageIsRefused) {
  std::ofstream(folder_ / "secret") << "secret bytes";
  const auto path = make("external.h5", [&](hid_t file) {
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(creation, (folder_ / "secret").c_str(), 0, 8);
    add(file, "x", H5T_NATIVE_UINT8, {8}, creation, false);
  });
  expect_refused(path, {"another file"});
}

TEST_F(Hdf5, VirtualDatasetIsRefused) {
  make("source.h5", [](hid_t file) { add(file, "x", H5T_NATIVE_UINT8, {8}); });
  const auto path = make("virtual.h5", [&](hid_t file) {
    const hsize_t dims[] = {8};
    const hid_t space = H5Screate_simple(1, dims, nullptr);
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_virtual(creation, space, (folder_ / "source.h5").c_str(), "x", space);
    H5Dclose(H5Dcreate2(file, "x", H5T_NATIVE_UINT8, space, H5P_DEFAULT, creation, H5P_DEFAULT));
  });
  expect_refused(path, {"layout"});
}

TEST_F(Hdf5, ForeignTypesLayoutsAndKindsAreRefused) {
  expect_refused(make("int16.h5", [](hid_t file) { add(file, "x", H5T_NATIVE_INT16, {8}); }), {"float64"});
  expect_refused(make("compact.h5", [](hid_t file) {
                   const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
                   H5Pset_layout(creation, H5D_COMPACT);
                   add(file, "x", H5T_NATIVE_UINT8, {8}, creation);
                 }), {"layout"});
  expect_refused(make("group.h5", [](hid_t file) { H5Gclose(H5Gcreate2(file, "x", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)); }), {"no data set"});
  expect_refused(make("filter.h5", [](hid_t file) {
                   const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
                   const hsize_t chunk[] = {8};
                   H5Pset_chunk(creation, 1, chunk);
                   H5Pset_nbit(creation);
                   add(file, "x", H5T_NATIVE_UINT8, {8}, creation);
                 }), {"filter"});
}

TEST_F(Hdf5, WhatIsDeclaredMustBeStored) {
  expect_refused(make("unwritten.h5", [](hid_t file) { add(file, "x", H5T_NATIVE_UINT8, {8}, H5P_DEFAULT, false); }), {"stores 0"});
  expect_refused(make("holes.h5", [](hid_t file) {
                   const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
                   const hsize_t chunk[] = {4}, dims[] = {8}, first[] = {0}, count[] = {4};
                   H5Pset_chunk(creation, 1, chunk);
                   const hid_t space = H5Screate_simple(1, dims, nullptr), memory = H5Screate_simple(1, count, nullptr);
                   const hid_t dataset = H5Dcreate2(file, "x", H5T_NATIVE_UINT8, space, H5P_DEFAULT, creation, H5P_DEFAULT);
                   H5Sselect_hyperslab(space, H5S_SELECT_SET, first, nullptr, count, nullptr);
                   H5Dwrite(dataset, H5T_NATIVE_UINT8, memory, space, H5P_DEFAULT, "abcd");
                   H5Dclose(dataset);
                 }), {"1 of its 2 chunks"});
  expect_refused(make("bomb.h5", [](hid_t file) {
                   const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
                   const hsize_t chunk[] = {1 << 22};
                   H5Pset_chunk(creation, 1, chunk);
                   H5Pset_deflate(creation, 9);
                   add(file, "x", H5T_NATIVE_UINT8, {1 << 22}, creation);
                 }), {"declares 4194304 bytes"});
}

TEST_F(Hdf5, UserBlockAndForeignFilesAreRefused) {
  std::filesystem::path path;
  thread_.run(Priority::write, [&] {
    const hid_t creation = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_userblock(creation, 512);
    path = make("user_block.h5", [](hid_t file) { add(file, "x", H5T_NATIVE_UINT8, {8}); }, creation);
  });
  expect_refused(path, {"no HDF5 file"});
  std::ofstream(folder_ / "text.h5") << "not at all";
  expect_refused(folder_ / "text.h5", {"no HDF5 file"});
  std::ofstream(folder_ / "empty.h5");
  expect_refused(folder_ / "empty.h5", {"empty"});
}

TEST_F(Hdf5, ATwiceNamedGroupIsRefusedBeforeItFormsACircle) {
  const auto path = make("circle.h5", [](hid_t file) {
    const hid_t group = H5Gcreate2(file, "a", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_hard(file, "a", group, "b", H5P_DEFAULT, H5P_DEFAULT);
    H5Gclose(group);
  });
  expect_fault(Fault::bad_data, {"2 names"}, [&] { thread_.run(Priority::read, [&] { File::open(path).children(""); }); });
}

TEST_F(Hdf5, IsCalledOnItsThreadOnly) { EXPECT_THROW(File::open(folder_ / "x"), Error); }

}  // namespace
}  // namespace ganymede::storage
