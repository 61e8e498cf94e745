/*
 * What MPI_Allreduce takes when it is called from C, for test/mpi/cost.mjs: values in place, all of them at once or in slices, after a barrier.
 * Prints, at rank 0, the milliseconds of every turn. Needs no headers of an MPI: -DOPENMPI takes Open MPI's handles, else MPICH's.
 *
 *   gcc -O2 -DOPENMPI allreduce.c LIBRARY -o allreduce; mpirun -n 2 allreduce VALUES SLICE TURNS
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef OPENMPI
typedef void *handle;
extern char ompi_mpi_comm_world[], ompi_mpi_float[], ompi_mpi_op_sum[];
#define WORLD ((handle)ompi_mpi_comm_world)
#define FLOAT ((handle)ompi_mpi_float)
#define SUM ((handle)ompi_mpi_op_sum)
#define IN_PLACE ((void *)1)
#else
typedef int handle;
#define WORLD 0x44000000
#define FLOAT 0x4c00040a
#define SUM 0x58000003
#define IN_PLACE ((void *)-1)
#endif

int MPI_Init(int *, char ***);
int MPI_Comm_rank(handle, int *);
int MPI_Comm_size(handle, int *);
int MPI_Barrier(handle);
int MPI_Allreduce(const void *, void *, int, handle, handle, handle);
double MPI_Wtime(void);
int MPI_Finalize(void);

int main(int count, char **words) {
  if (count != 4) return 2;
  const int values = atoi(words[1]), slice = atoi(words[2]), turns = atoi(words[3]);
  int rank, size;
  float *data = malloc(sizeof(float) * (size_t)values);
  MPI_Init(NULL, NULL);
  MPI_Comm_rank(WORLD, &rank);
  MPI_Comm_size(WORLD, &size);
  for (int turn = 0; turn < turns; turn++) {
    for (int i = 0; i < values; i++) data[i] = 1;
    MPI_Barrier(WORLD);
    const double began = MPI_Wtime();
    for (int from = 0; from < values; from += slice)
      MPI_Allreduce(IN_PLACE, data + from, slice < values - from ? slice : values - from, FLOAT, SUM, WORLD);
    if (rank == 0) printf("%.2f\n", 1000 * (MPI_Wtime() - began));
    if (data[0] != size || data[values - 1] != size) return 1;
  }
  return MPI_Finalize();
}
