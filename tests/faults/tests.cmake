# Faults on emulated hosts; alone, so that what they print of times means something.
ganymede_script_test(faults/faults LABELS faults hosts mpi root TIMEOUT_S 900 COMMAND ${GANYMEDE_PYTHON} -W ignore tests/faults/faults_test.py Faults)
ganymede_script_test(faults/healthy LABELS faults hosts mpi root TIMEOUT_S 900 COMMAND ${GANYMEDE_PYTHON} -W ignore tests/faults/faults_test.py Healthy)
ganymede_script_test(faults/healthy_full LABELS faults hosts mpi root full TIMEOUT_S 7200 COMMAND ${GANYMEDE_PYTHON} -W ignore tests/faults/faults_test.py Healthy --full)
set_tests_properties(faults/faults faults/healthy faults/healthy_full PROPERTIES PROCESSORS 2)
foreach(name faults healthy healthy_full)
  set_property(TEST faults/${name} APPEND PROPERTY ENVIRONMENT "GANYMEDE_FAILING_RANK=$<TARGET_FILE:comm_failing_rank>")
endforeach()
