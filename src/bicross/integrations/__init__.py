"""Bicross inside the tools of others: each module needs the package that it is named for."""
