ganymede_test(gan/losses_test.cpp LINKS gan)
ganymede_test(gan/optimizer_test.cpp LINKS gan)
ganymede_test(gan/games_test.cpp LINKS gan)
