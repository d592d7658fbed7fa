"""Who started this process: variables that a launcher left behind must not change a run.

Lightning takes its rank from the first of these variables that it finds. One that was left in a
shell makes the only process believe that another one writes ViT.ckpt.
"""

import os
import sys
from collections.abc import Mapping

from errors import note

RANKS = ("LOCAL_RANK", "RANK", "SLURM_PROCID", "SLURM_LOCALID", "JSM_NAMESPACE_RANK")
NODES = ("NODE_RANK", "GROUP_RANK", "SLURM_NODEID")
LAUNCHED = ("WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # set by torchrun and by Lightning


def forget_other_launchers(is_single: bool) -> None:
    """Remove the variables of launchers that did not start this run, and say so.

    Args:
        is_single: whether the run is of one process on one machine.
    """
    names = _left_behind(os.environ, is_single)
    lightning = sys.modules.get("lightning_utilities.core.rank_zero")
    if is_single and lightning:  # it took its rank when it was imported
        lightning.rank_zero_only.rank = 0
    told = [f"{name}={os.environ[name]}" for name in names if os.environ[name] != "0"]
    for name in names:
        del os.environ[name]
    if told:
        note(f"{', '.join(told)} of another launcher is not used: this run has one process")


def _left_behind(environment: Mapping[str, str], is_single: bool) -> list[str]:
    present = [name for name in (*RANKS, *NODES) if name in environment]
    if is_single:
        return present
    started_by_slurm = "SLURM_NTASKS" in environment and "SLURM_PROCID" in environment
    started = all(name in environment for name in LAUNCHED) or started_by_slurm
    return [] if started or "JSM_NAMESPACE_RANK" in environment else present


def is_single_process(device: str, devices: str, num_nodes: int) -> bool:
    """Whether a run is of one process on one machine, by what the command line asks for."""
    if num_nodes != 1:
        return False
    if devices == "auto":
        return device == "cpu" or _gpu_count() < 2
    return devices == "1"


def _gpu_count() -> int:
    import torch  # a run on a CPU that says so does not wait for it here

    return torch.cuda.device_count()
