"""The verb `serve`; `main` gives it to the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from bicross.cli.options import DeviceFlag, Json, run_on, serving_installed, settings_of

Collections = Annotated[list[Path], typer.Argument(metavar="COLLECTION...", help="Folders of collections; the first is the default.")]


def serve(
    collections: Collections,
    host: Annotated[str, typer.Option(help="The address to listen at; another than this machine's own needs --keys.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.")] = 8080,
    keys: Annotated[Path | None, typer.Option(metavar="FILE", help="Who may enter: a file that `bicross keys` made.")] = None,
    closed_network: Annotated[
        bool, typer.Option("--closed-network", help="Serve other machines without keys: only those who may do all can reach it.")
    ] = False,
    behind_https: Annotated[
        bool, typer.Option("--behind-https", help="Browsers come over https, through a proxy: cookies are sent over nothing else.")
    ] = False,
    max_wait: Annotated[float, typer.Option(help="Seconds; work that would wait longer is refused (429).")] = 1.0,
    drain: Annotated[float, typer.Option(help="Seconds that an ending server has to finish what it began.")] = 8.0,
    device: DeviceFlag = None,
    as_json: Json = False,
) -> None:
    """Serve collections over HTTP: search, rerank and embed for programs, agents (MCP) and people. Ctrl-C ends it.

    With --json, one JSON object on stdout says the address when requests are taken. The log goes to stderr. Needs the extra `serve`.
    """
    run_on(device)
    settings = settings_of(
        "ServeSettings",
        host=host,
        port=port,
        keys=keys,
        closed_network=closed_network,
        behind_https=behind_https,
        max_wait=max_wait,
        drain=drain,
    )
    with serving_installed():
        from bicross.serving import server

    def announce(url: str, names: Sequence[str]) -> None:
        if as_json:
            print(json.dumps({"url": url, "collections": list(names)}, ensure_ascii=False), flush=True)
        else:
            print(f"Serving {', '.join(names)} at {url}. Ctrl-C ends it.", file=sys.stderr, flush=True)

    server.run(collections, settings, announce)
