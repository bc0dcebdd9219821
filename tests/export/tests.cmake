ganymede_test(export/safetensors_test.cpp LINKS export)
ganymede_test(export/network_file_test.cpp LINKS export)
