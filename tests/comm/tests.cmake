ganymede_test(comm/thread_ranks_test.cpp LINKS comm TIMEOUT_S 120)
ganymede_test(comm/mpi_communicator_test.cpp LINKS comm RANKS 1 2 3 4 TIMEOUT_S 120)
