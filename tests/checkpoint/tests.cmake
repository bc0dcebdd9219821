ganymede_test(checkpoint/checkpoint_test.cpp LINKS checkpoint)
