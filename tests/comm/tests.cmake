ganymede_test(comm/thread_ranks_test.cpp LINKS comm TIMEOUT_S 120)
