"""Where models run: on the processor by OpenVINO, or on a GPU by torch. Torch is imported only where there may be a GPU."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol, cast

from bicross.errors import InputError, MissingExtra
from bicross.models.folder import ModelFolder
from bicross.models.tokens import Engine

Device = Literal["auto", "cpu", "cuda", "mps"]
VARIABLE = "BICROSS_DEVICE"
"""The environment's say where none is given: processes that are started inherit it."""
TORCH_CPU = "torch-cpu"  # torch on the processor: what a GPU does, where there is none
DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")  # of NVIDIA, of WSL and of AMD, which torch calls cuda, too


class Runtime(Protocol):
    """What builds engines from model folders. `precision` None is what the device does best."""

    def bi_encoder(self, folder: ModelFolder, precision: str | None) -> Engine: ...
    def cross_encoder(self, folder: ModelFolder, precision: str | None) -> Engine: ...


def resolved(device: str | None) -> str:
    """cpu, cuda or mps; "auto" is a GPU where torch finds one, and None what the environment says.

    Raises:
        InputError: the device is not known, or not there.
        MissingExtra: a GPU is named, and torch is not installed.
    """
    device = device or os.environ.get(VARIABLE) or "auto"
    if device in ("cpu", TORCH_CPU):
        return device
    if device not in ("auto", "cuda", "mps"):
        raise InputError(f"Device {device!r} is not known; expected auto, cpu, cuda or mps.")
    if device == "auto" and not (find_spec("torch") and (sys.platform == "darwin" or any(Path(name).exists() for name in DRIVERS))):
        return "cpu"
    if not find_spec("torch"):
        raise MissingExtra(f"Models run on {device} by torch, which is not installed: pip install 'bicross[train]', or take --device cpu.")
    from bicross.models.torch_runtime import gpus

    found = gpus()
    if device == "auto":
        return found[0] if found else "cpu"
    if device not in found:
        raise InputError(f"torch finds no {device} device here; it finds {', '.join(found) or 'none'}. Choose --device auto or cpu.")
    return device


def runtime(device: str) -> Runtime:
    """What runs models on a device that `resolved` gave."""
    if device == "cpu":
        from bicross.models import network

        return cast(Runtime, network)
    from bicross.models.torch_runtime import Torch

    return Torch(device)
