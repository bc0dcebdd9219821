# The witnesses are tested themselves, without the program.
foreach(name philox reference_nets trace_replay)
  ganymede_script_test(witness/${name} LABELS witness TIMEOUT_S 120 COMMAND ${GANYMEDE_PYTHON} tests/witness/${name}_test.py)
endforeach()
# Trains the classifier the first time.
ganymede_script_test(witness/judges LABELS witness TIMEOUT_S 900 COMMAND ${GANYMEDE_PYTHON} tests/witness/judges_test.py)
set_tests_properties(witness/judges PROPERTIES PROCESSORS 2)
