ganymede_test(evaluate/mixture_modes_test.cpp LINKS evaluate)
ganymede_test(evaluate/within_modes_test.cpp LINKS evaluate)
ganymede_test(evaluate/fine_grid_test.cpp LINKS evaluate)
ganymede_test(evaluate/distances_test.cpp LINKS evaluate)
ganymede_test(evaluate/input_gradient_test.cpp LINKS evaluate)
ganymede_test(evaluate/two_sample_test.cpp LINKS evaluate)
ganymede_test(evaluate/coverage_test.cpp LINKS evaluate)
ganymede_test(evaluate/collapse_monitor_test.cpp LINKS evaluate)
ganymede_test(evaluate/collapse_check_test.cpp LINKS evaluate TIMEOUT_S 180)
ganymede_test(evaluate/evidence_test.cpp LINKS evaluate)
ganymede_test(evaluate/digit_classifier_test.cpp LINKS evaluate)
ganymede_test(evaluate/digit_modes_test.cpp LINKS evaluate)

# The same figures from NumPy and SciPy, of points that the witness draws.
add_executable(evaluate_witness_tool evaluate/witness_tool.cpp)
target_precompile_headers(evaluate_witness_tool REUSE_FROM ganymede_core)
target_link_libraries(evaluate_witness_tool PRIVATE ganymede_evaluate ganymede_options)
ganymede_script_test(evaluate/metrics_witness LABELS witness TIMEOUT_S 180
  COMMAND ${GANYMEDE_PYTHON} tests/evaluate/metrics_witness.py $<TARGET_FILE:evaluate_witness_tool>)
