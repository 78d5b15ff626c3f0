"""What `tools/train_starter.py` is made of: torch, safetensors and numpy alone, for a machine that has nothing else."""
