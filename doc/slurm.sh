#!/bin/sh
# Many platforms over many computers: an array for Slurm, sbatch doc/slurm.sh. Each task builds every
# fourth configuration of the folder, from its own number on. Where output is a folder that all
# computers share, presolver merge makes its platforms.json afterwards:
#   sbatch --dependency=afterany:JOB --wrap 'presolver merge /srv/presolve'
# With a bucket that isn't needed.
#SBATCH --job-name=presolver
#SBATCH --array=0-3
#SBATCH --cpus-per-task=2
#SBATCH --mem=2G
#SBATCH --requeue
exec presolver build -q -c /etc/presolver/platforms --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"
