# Emulated hosts, which root alone can make. They need the machine for themselves: ranks that wait for a processor look like a slow network.
ganymede_script_test(hosts/hosts LABELS hosts mpi root TIMEOUT_S 900 COMMAND ${GANYMEDE_PYTHON} -W ignore tests/hosts/hosts_test.py)
ganymede_script_test(hosts/hosts_full LABELS hosts mpi root full TIMEOUT_S 900 COMMAND ${GANYMEDE_PYTHON} -W ignore tests/hosts/hosts_test.py --full)
set_tests_properties(hosts/hosts hosts/hosts_full PROPERTIES PROCESSORS 2)
