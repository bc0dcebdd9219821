ganymede_test(data/streams_test.cpp LINKS data)
ganymede_test(data/manifest_test.cpp LINKS data)
ganymede_test(data/idx_test.cpp LINKS data)
ganymede_test(data/build_test.cpp LINKS data TIMEOUT_S 400)
ganymede_test(data/synth_test.cpp LINKS data TIMEOUT_S 400)
ganymede_test(data/reader_test.cpp LINKS data TIMEOUT_S 400)
ganymede_test(data/sampling_test.cpp LINKS data TIMEOUT_S 400)
ganymede_test(data/data_config_test.cpp LINKS data)

# What the Python witnesses ask: orders of samples, data sets written and read.
add_executable(data_witness_tool data/witness_tool.cpp)
target_precompile_headers(data_witness_tool REUSE_FROM ganymede_core)
target_link_libraries(data_witness_tool PRIVATE ganymede_data ganymede_options)
ganymede_script_test(data/streams_witness LABELS witness TIMEOUT_S 180
  COMMAND ${GANYMEDE_PYTHON} tests/data/streams_witness.py $<TARGET_FILE:data_witness_tool>)
ganymede_script_test(data/shards_witness LABELS witness TIMEOUT_S 400
  COMMAND ${GANYMEDE_PYTHON} tests/data/shards_witness.py $<TARGET_FILE:data_witness_tool>)
ganymede_script_test(data/sampling_witness LABELS witness TIMEOUT_S 400
  COMMAND ${GANYMEDE_PYTHON} tests/data/sampling_witness.py $<TARGET_FILE:data_witness_tool>)
ganymede_script_test(data/full_disk LABELS unit TIMEOUT_S 60
  COMMAND ${CMAKE_SOURCE_DIR}/tests/data/full_disk_test.sh $<TARGET_FILE:data_witness_tool>)
