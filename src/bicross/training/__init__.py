"""What needs torch: for now the export of models that the runtime does not build itself. Install it with `bicross[train]`."""
