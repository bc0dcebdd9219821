ganymede_test(storage/files_test.cpp LINKS storage)
ganymede_test(storage/state_file_test.cpp LINKS storage)
ganymede_test(storage/hdf5_test.cpp LINKS storage)
