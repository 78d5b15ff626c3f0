"""Which models can be trained."""

from __future__ import annotations

from bicross.errors import InputError
from bicross.models import registry
from bicross.models.folder import ModelFolder


def trainable(name: str) -> ModelFolder:
    """The folder of a model to train, by folder or name.

    Raises:
        InputError: it has no weights in safetensors. ModelNotFound: there is no such model.
    """
    if name == registry.HASHED:
        raise InputError(f"{name} has no weights, so it cannot be trained; use a model with weights.")
    folder = registry.find(name)
    if not any(folder.root.rglob("*.safetensors")):
        raise InputError(f"{folder.root} has no model.safetensors, so it cannot be trained; use a model with weights.")
    return folder
