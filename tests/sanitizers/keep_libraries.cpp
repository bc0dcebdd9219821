// Part of the program in sanitized builds only: libraries stay loaded to the end. Open MPI unloads its plugins when it shuts down, and
// what they have left allocated could then be laid at no library's door (leaks.txt names them).
extern "C" int dlclose(void*) { return 0; }
