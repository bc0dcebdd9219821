ganymede_test(parallel/flat_network_test.cpp LINKS parallel)
ganymede_test(parallel/equality_test.cpp LINKS parallel TIMEOUT_S 240)
ganymede_test(parallel/equality_table_test.cpp LINKS parallel TIMEOUT_S 900)
set_tests_properties(parallel/equality_table_test PROPERTIES PROCESSORS 2)
