#!/bin/bash
# OpenMPI with two ranks on this machine.
. /tools/guest/cases.sh
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_plm_rsh_agent=
case_ mpicc mpicc -O1 -o m /tools/guest/mpi.c
case_ "two ranks" sh -c 'mpirun -np 2 ./m | sort'
case_ "two ranks by TCP" sh -c 'mpirun --mca btl self,tcp -np 2 ./m | sort'
case_ "a rank that fails" sh -c 'mpirun -np 2 sh -c "exit 3" >/dev/null 2>&1; echo $?'
case_ "environment" sh -c 'mpirun -np 2 sh -c "echo \$OMPI_COMM_WORLD_RANK \$OMPI_COMM_WORLD_SIZE" | sort'
