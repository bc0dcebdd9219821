/* The bare MPI_Allreduce that `ganymede bench comm` is measured against: float32 sums in place, sizes doubled from one to the other.
 *
 *     mpicc -O2 cluster/scaling/allreduce_mpi.c -o build/allreduce_mpi
 *     mpirun -np 2 build/allreduce_mpi MIN_BYTES MAX_BYTES ITERATIONS WARMUP
 *
 * For each size a line of JSON on standard output: the time of every iteration on every rank, in microseconds, as [rank][iteration]. The
 * loop is bench comm's: warm-up, a barrier, then calls one after the other, each with its own clock. Sums are checked once a size.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

static void fail(const char* what) {
  fprintf(stderr, "allreduce_mpi: %s\n", what);
  MPI_Abort(MPI_COMM_WORLD, 64);
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank, size;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (argc != 5) fail("usage: allreduce_mpi MIN_BYTES MAX_BYTES ITERATIONS WARMUP");
  const long min_bytes = atol(argv[1]), max_bytes = atol(argv[2]), iterations = atol(argv[3]), warmup = atol(argv[4]);
  if (min_bytes < 4 || max_bytes < min_bytes || iterations < 1) fail("sizes from 4 bytes on, at least one iteration");
  float* data = malloc(max_bytes);
  double* own = malloc(iterations * sizeof *own);
  double* all = malloc(size * iterations * sizeof *all);
  if (!data || !own || !all) fail("no memory");
  for (long bytes = min_bytes; bytes <= max_bytes; bytes *= 2) {
    const int count = (int)(bytes / 4);
    for (int i = 0; i < count; ++i) data[i] = (float)(rank + 1 + i % 7);
    MPI_Allreduce(MPI_IN_PLACE, data, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    for (int i = 0; i < count; ++i)
      if (data[i] != (float)(size * (size + 1) / 2 + size * (i % 7))) fail("a sum is wrong");
    for (int i = 0; i < count; ++i) data[i] = 0;
    for (long i = 0; i < warmup; ++i) MPI_Allreduce(MPI_IN_PLACE, data, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    MPI_Barrier(MPI_COMM_WORLD);
    for (long i = 0; i < iterations; ++i) {
      const double start = MPI_Wtime();
      MPI_Allreduce(MPI_IN_PLACE, data, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
      own[i] = 1e6 * (MPI_Wtime() - start);
    }
    MPI_Gather(own, (int)iterations, MPI_DOUBLE, all, (int)iterations, MPI_DOUBLE, 0, MPI_COMM_WORLD);
    if (rank != 0) continue;
    printf("{\"size\": %ld, \"per_process_times_us\": [", bytes);
    for (int r = 0; r < size; ++r) {
      printf("%s[", r ? ", " : "");
      for (long i = 0; i < iterations; ++i) printf("%s%.3f", i ? ", " : "", all[r * iterations + i]);
      printf("]");
    }
    printf("]}\n");
    fflush(stdout);
  }
  free(data), free(own), free(all);
  MPI_Finalize();
  return 0;
}
