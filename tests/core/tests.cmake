ganymede_test(core/rng_test.cpp LINKS core)
ganymede_test(core/error_test.cpp LINKS core)
