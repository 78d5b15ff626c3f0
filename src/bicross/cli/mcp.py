"""The verb `mcp`; `main` gives it to the command line."""

from __future__ import annotations

from bicross.cli.options import AtCollection, serving_installed


def mcp(collection: AtCollection) -> None:
    """Answer an agent's host on stdin and stdout, by the Model Context Protocol: search and fetch, among others. Needs the extra `serve`.

    The host starts it: its configuration names the command `bicross` with the arguments `mcp` and the collection's folder.
    """
    with serving_installed():
        from bicross.serving.mcp import run_stdio

    run_stdio(collection)
