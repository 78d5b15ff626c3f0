"""`plan`, joined: begin with `plan.py`."""
