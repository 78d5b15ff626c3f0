"""Models to a hub: huggingface.co, or the one that HF_ENDPOINT names."""

from __future__ import annotations

from pathlib import Path

from bicross.errors import InputError, StoreError

PRIVATE = ("lineage.json",)  # digests of the questions that trained the model: who has a question can find out whether it is among them


def files_of(folder: Path) -> dict[str, int]:
    """The files that `push` sends, by their path in the folder, and their sizes in bytes."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.stat().st_size for path in found if path.name not in PRIVATE}


def push(folder: Path, name: str, private: bool) -> str:
    """Send a model's folder to the repository `name` (owner/model), made if it is not there, in one commit; returns its address.

    Raises:
        InputError: the name is none, or nobody is logged in who may write there. StoreError: the hub cannot be reached, or refuses.
    """
    from huggingface_hub import HfApi  # slow to import, and needed only here
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

    hub = HfApi()
    try:
        hub.create_repo(name, private=private, exist_ok=True)
        hub.upload_folder(repo_id=name, folder_path=folder, ignore_patterns=list(PRIVATE), commit_message="Model made by Bicross")
    except HFValidationError as error:
        raise InputError(f"{name!r} is no name of a model on a hub; expected owner/model.") from error
    except (HfHubHTTPError, LocalTokenNotFoundError) as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (None, 401, 403):
            raise InputError(
                f"{hub.endpoint} lets nobody write {name} here; log in with `hf auth login`, or set HF_TOKEN to a token that may write."
            ) from error
        raise StoreError(f"{hub.endpoint} refused {name} ({status}): {str(error).splitlines()[0][:200]}") from error
    except (OSError, ConnectionError) as error:
        raise StoreError(f"{hub.endpoint} cannot be reached ({type(error).__name__}); the model stays where it is: {folder}") from error
    return f"{hub.endpoint}/{name}"
