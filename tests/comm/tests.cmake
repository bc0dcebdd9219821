ganymede_test(comm/thread_ranks_test.cpp LINKS comm TIMEOUT_S 120)
ganymede_test(comm/engine_test.cpp LINKS comm)
ganymede_test(comm/launch_test.cpp LINKS comm)
ganymede_test(comm/mpi_communicator_test.cpp LINKS comm RANKS 1 2 3 4 TIMEOUT_S 120)

add_executable(comm_failing_rank comm/failing_rank.cpp)
target_precompile_headers(comm_failing_rank REUSE_FROM ganymede_core)
target_link_libraries(comm_failing_rank PRIVATE ganymede_comm)
ganymede_script_test(comm/failure_relay TIMEOUT_S 120 LABELS mpi COMMAND ${GANYMEDE_PYTHON} tests/comm/failure_relay_test.py $<TARGET_FILE:comm_failing_rank>)
