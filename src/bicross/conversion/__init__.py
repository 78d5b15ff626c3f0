"""Judged sets, training rows and click logs: converted, looked at, parted."""
