"""The collection is tested in `world`, a world without a model."""
