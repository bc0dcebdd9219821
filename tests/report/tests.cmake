ganymede_test(report/picture_test.cpp LINKS report)
ganymede_test(report/run_reporter_test.cpp LINKS report)
ganymede_test(report/metrics_file_test.cpp LINKS report)
