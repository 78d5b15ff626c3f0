"""What needs torch: training both models, and the export of those that the runtime does not build itself."""

from importlib.util import find_spec

from bicross.errors import MissingExtra

# Here, before any module imports one of them: else Python's own message would not say what to do.
if missing := [name for name in ("torch", "transformers", "sentence_transformers", "accelerate", "datasets") if find_spec(name) is None]:
    raise MissingExtra(f"Training and export need {', '.join(missing)}, not installed here: pip install 'bicross[train]'")
