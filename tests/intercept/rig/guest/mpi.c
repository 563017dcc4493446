/* Two ranks: small and large messages, a sum over all, shared memory between them, a file that both write. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    int rank, size;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    long sum = 0, own;
    for (long i = 0; i < 20000; i++) {
        own = i + rank;
        MPI_Allreduce(&own, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
    }
    char *big = malloc(1 << 22);
    memset(big, rank, 1 << 22);
    MPI_Bcast(big, 1 << 22, MPI_CHAR, 1 % size, MPI_COMM_WORLD);
    MPI_Comm node;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
    MPI_Win window;
    int *memory;
    MPI_Win_allocate_shared(sizeof(int), sizeof(int), MPI_INFO_NULL, node, &memory, &window);
    *memory = 100 + rank;
    MPI_Win_fence(0, window);
    MPI_Aint length;
    int unit, *other;
    MPI_Win_shared_query(window, (rank + 1) % size, &length, &unit, &other);
    int seen = *other;
    MPI_Win_fence(0, window);
    MPI_Win_free(&window);
    MPI_File file;
    MPI_File_open(MPI_COMM_WORLD, "/work/mpi.out", MPI_MODE_CREATE | MPI_MODE_WRONLY, MPI_INFO_NULL, &file);
    MPI_File_write_at(file, rank * 4, &seen, 4, MPI_BYTE, MPI_STATUS_IGNORE);
    MPI_File_close(&file);
    for (int i = 0; i < size; i++) {
        if (i == rank)
            printf("rank %d of %d: sum %ld, broadcast %d, neighbour %d\n", rank, size, sum, big[12345], seen);
        fflush(stdout);
        MPI_Barrier(MPI_COMM_WORLD);
    }
    MPI_Finalize();
    return 0;
}
