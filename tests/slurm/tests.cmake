ganymede_script_test(slurm/slurm LABELS slurm mpi root TIMEOUT_S 900 COMMAND ${GANYMEDE_PYTHON} -W ignore tests/slurm/slurm_test.py)
set_tests_properties(slurm/slurm PROPERTIES PROCESSORS 2)
