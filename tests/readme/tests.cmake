ganymede_script_test(readme/commands LABELS program mpi TIMEOUT_S 300 COMMAND ${GANYMEDE_PYTHON} tests/readme/readme_test.py)
set_tests_properties(readme/commands PROPERTIES PROCESSORS 2)
