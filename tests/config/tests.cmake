ganymede_test(config/recipe_test.cpp LINKS config)
ganymede_test(config/toml_reader_test.cpp LINKS config)
