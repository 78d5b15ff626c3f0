"""What the image runs. `serve` alone, which is all that SageMaker says, finds the collections itself; other words are the command line's.

Environment, read only for `serve` alone:
    BICROSS_COLLECTIONS     a collection's folder, or one that holds collections; by default /opt/ml/model, where SageMaker puts a model.
    BICROSS_KEYS            a file of keys (`bicross keys`).
    BICROSS_CLOSED_NETWORK  1 says that only those who may do everything can reach the port, as on SageMaker; keys are not needed then.
    SAGEMAKER_BIND_TO_PORT  the port, by default 8080.
"""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from bicross.errors import BicrossError, InputError

MODEL = "/opt/ml/model"
PORT = "8080"
PATIENCE = 2.0  # seconds that the health check waits for an answer
EVERYWHERE = "0.0.0.0"  # noqa: S104 - a container's port is reached from outside of it, or not at all


def arguments_of(words: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """What the command line is given for the words after the image's name.

    Raises:
        InputError: `serve` stands alone, and there is no collection where one should be, or nothing says who may come in.
    """
    if list(words) != ["serve"]:
        return list(words)
    found = [str(path) for path in collections_below(Path(environment.get("BICROSS_COLLECTIONS") or MODEL))]
    return ["serve", *found, "--host", EVERYWHERE, "--port", port_of(environment), *_entrance(environment)]


def collections_below(folder: Path) -> list[Path]:
    """The folder, if it is a collection, or else the collections in it, by name.

    Raises:
        InputError: there is none.
    """
    from bicross.collection.store import Collection  # not for the health check, which runs often

    if Collection.exists(folder):
        return [folder]
    found = sorted(path for path in folder.iterdir() if Collection.exists(path)) if folder.is_dir() else []
    if not found:
        raise InputError(
            f"There is no collection at {folder} or in it; expected the folder that `bicross index --into` made. "
            "Mount it there, or say in BICROSS_COLLECTIONS where it is."
        )
    return found


def port_of(environment: Mapping[str, str]) -> str:
    """Where the server listens."""
    return environment.get("SAGEMAKER_BIND_TO_PORT") or PORT


def healthy(environment: Mapping[str, str]) -> bool:
    """Whether the server in this container answers that it is ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port_of(environment)}/readyz", timeout=PATIENCE) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, TimeoutError):
        return False


def _entrance(environment: Mapping[str, str]) -> list[str]:
    """The flags that say who may come in."""
    keys, closed = environment.get("BICROSS_KEYS"), environment.get("BICROSS_CLOSED_NETWORK")
    if keys:
        return ["--keys", keys]
    if closed != "1":
        raise InputError(
            "Nothing says who may come in: name a file of keys in BICROSS_KEYS (`bicross keys` makes one), or set BICROSS_CLOSED_NETWORK=1 "
            "where only those who may do everything can reach the port."
        )
    return ["--closed-network"]


def main() -> None:
    """Become the command line: the same process, so that its signals reach the server. `healthy` alone is the image's health check."""
    if sys.argv[1:] == ["healthy"]:
        sys.exit(not healthy(os.environ))
    try:
        arguments = arguments_of(sys.argv[1:], os.environ)
    except BicrossError as error:
        print(f"bicross: {error}", file=sys.stderr)  # noqa: T201 - there is no command line yet that could say it
        sys.exit(2)
    os.execv(sys.executable, [sys.executable, "-m", "bicross.cli.main", *arguments])  # noqa: S606 - no shell; words of whoever starts it


if __name__ == "__main__":
    main()
