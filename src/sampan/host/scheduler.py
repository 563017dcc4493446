"""What batch systems and MPI launchers put into the environment of a task. On the start-up path.

Sources: hpc.md's measurements of Slurm, Open MPI with PMIx, MPICH with hydra; the manuals of PBS, LSF, Flux, PALS.
Without PMIX_*, SLURM_* and OMPI_* each rank becomes rank 0 of 1.
"""

from __future__ import annotations

PREFIXES = ("SLURM_", "PMI_", "PMIX_", "OMPI_", "MPI_", "PBS_", "LSB_", "LSF_", "FLUX_", "PALS_", "HYDI_", "MPIR_CVAR_")
NAMES = (
    "CUDA_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
    "JOB_ID",
    "NSLOTS",
    "OMP_NUM_THREADS",
    "ROCR_VISIBLE_DEVICES",
    "SGE_TASK_ID",
    "ZE_AFFINITY_MASK",
)
