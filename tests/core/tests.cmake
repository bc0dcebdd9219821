ganymede_test(core/block_range_test.cpp LINKS core)
ganymede_test(core/rng_test.cpp LINKS core)
ganymede_test(core/error_test.cpp LINKS core)
