ganymede_script_test(architecture/include_direction LABELS unit TIMEOUT_S 180
  COMMAND ${GANYMEDE_PYTHON} tests/architecture/include_direction_test.py)
