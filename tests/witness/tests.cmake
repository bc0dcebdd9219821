# The witnesses are tested themselves, without the program.
foreach(name philox reference_nets trace_replay losses draws control layers phases tricks_replay variants)
  ganymede_script_test(witness/${name} LABELS witness TIMEOUT_S 400 COMMAND ${GANYMEDE_PYTHON} tests/witness/${name}_test.py)
endforeach()
# Trains the classifier the first time.
ganymede_script_test(witness/judges LABELS witness TIMEOUT_S 900 COMMAND ${GANYMEDE_PYTHON} tests/witness/judges_test.py)
set_tests_properties(witness/judges PROPERTIES PROCESSORS 2)
# The augmentations, to be compared with those of augment_reference.py.
add_executable(witness_augment_tool witness/augment_tool.cpp)
target_precompile_headers(witness_augment_tool REUSE_FROM ganymede_core)
target_link_libraries(witness_augment_tool PRIVATE ganymede_gan ganymede_options)
ganymede_script_test(witness/augment LABELS witness TIMEOUT_S 400
  COMMAND ${GANYMEDE_PYTHON} tests/witness/augment_test.py $<TARGET_FILE:witness_augment_tool>)
