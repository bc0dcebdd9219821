ganymede_test(bench/step_bench_test.cpp LINKS bench)
