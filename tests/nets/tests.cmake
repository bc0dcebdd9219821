ganymede_test(nets/architectures_test.cpp LINKS nets)
ganymede_test(nets/batch_norm_test.cpp LINKS parallel)
ganymede_test(nets/block_test.cpp LINKS parallel)
