ganymede_test(export/safetensors_test.cpp LINKS export)
