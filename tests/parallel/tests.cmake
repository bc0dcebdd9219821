ganymede_test(parallel/flat_network_test.cpp LINKS parallel)
ganymede_test(parallel/equality_test.cpp LINKS parallel TIMEOUT_S 240)
