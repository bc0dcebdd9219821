ganymede_test(comm/virtual_ranks_test.cpp LINKS comm TIMEOUT_S 300)
ganymede_test(comm/thread_ranks_test.cpp LINKS comm TIMEOUT_S 400)
ganymede_test(comm/engine_test.cpp LINKS comm)
ganymede_test(comm/learned_deadlines_test.cpp LINKS comm)
ganymede_test(comm/watchdog_test.cpp LINKS comm TIMEOUT_S 400)
ganymede_test(comm/launch_test.cpp LINKS comm)
ganymede_test(comm/device_test.cpp LINKS comm)
ganymede_test(comm/mpi_communicator_test.cpp LINKS comm RANKS 1 2 3 4 TIMEOUT_S 400)

add_executable(comm_failing_rank comm/failing_rank.cpp)
target_precompile_headers(comm_failing_rank REUSE_FROM ganymede_core)
target_link_libraries(comm_failing_rank PRIVATE ganymede_comm)
ganymede_script_test(comm/failure_relay TIMEOUT_S 400 LABELS mpi COMMAND ${GANYMEDE_PYTHON} tests/comm/failure_relay_test.py $<TARGET_FILE:comm_failing_rank>)

# The NCCL communicator against a stand-in for NCCL and the CUDA runtime, whose headers are found first: no wheel is needed.
add_library(cuda_stand_in STATIC comm/cuda_stand_in/cuda_stand_in.cpp comm/cuda_stand_in/nccl_stand_in.cpp
  ${CMAKE_SOURCE_DIR}/src/comm/nccl_link.cpp ${CMAKE_SOURCE_DIR}/src/comm/nccl_communicator.cpp)
target_precompile_headers(cuda_stand_in REUSE_FROM ganymede_core)
target_include_directories(cuda_stand_in BEFORE PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/comm/cuda_stand_in ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(cuda_stand_in PUBLIC ganymede_comm)
ganymede_test(comm/nccl_stand_in_test.cpp LINKS comm TIMEOUT_S 400)
target_link_libraries(comm_nccl_stand_in_test PRIVATE cuda_stand_in)
