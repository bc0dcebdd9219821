ganymede_test(train/run_config_test.cpp LINKS train)
ganymede_test(train/agreement_test.cpp LINKS train)
ganymede_test(train/compatibility_test.cpp LINKS train)
