foreach(name step_bench samples comm_bench overlap_bench link_probe kernel_share doctor)
  ganymede_test(bench/${name}_test.cpp LINKS bench TIMEOUT_S 120)
endforeach()
