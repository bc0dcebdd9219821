ganymede_test(parallel/flat_network_test.cpp LINKS parallel)
ganymede_test(parallel/equality_test.cpp LINKS parallel TIMEOUT_S 900)
ganymede_test(parallel/equality_table_test.cpp LINKS parallel TIMEOUT_S 1800)
# Every loss with every penalty, every trick: minutes, so only in the full run; equality_test holds a choice of them.
set_property(TEST parallel/equality_table_test APPEND PROPERTY LABELS full)
set_tests_properties(parallel/equality_table_test PROPERTIES PROCESSORS 2)
ganymede_test(parallel/virtual_ranks_test.cpp LINKS parallel)
