"""The command line: each command reads flags, calls `pipeline.<same name>`, and prints what it gives back."""
