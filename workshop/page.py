"""Show a service's web page inside the notebook, wherever JupyterLab runs."""

import os
from html import escape
from typing import Any


class Page:
    """A page of a service beside the notebook, in a frame.

    Behind Binder's or JupyterHub's proxy the browser cannot reach this machine's `localhost`; there
    the page comes through jupyter-server-proxy, under Jupyter's own address. Codespaces gives every
    port an address of its own.

    Args:
        port: where the service listens.
        path: what to show, relative, e.g. `?category=SELF_HELP`.
        height: of the frame, in pixels.
    """

    def __init__(self, port: int, path: str = "", height: int = 480) -> None:
        self.url = _address(port) + path.lstrip("/")
        self.height = height

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        url = escape(self.url, quote=True)
        html = (
            f'<iframe src="{url}" title="The page at {url}" width="100%" height="{self.height}" '
            f'style="border:1px solid rgba(128,128,128,.4);border-radius:6px"></iframe>'
            f'<div><a href="{url}" target="_blank" rel="noopener">Open {url} in a tab of its own</a></div>'
        )
        return {"text/html": html, "text/plain": f"The page at {self.url}"}


def _address(port: int) -> str:
    """Where the learner's browser reaches a port of the machine that runs the notebook."""
    if prefix := os.environ.get("JUPYTERHUB_SERVICE_PREFIX"):
        return f"{prefix}proxy/{port}/"
    if codespace := os.environ.get("CODESPACE_NAME"):
        domain = os.environ.get("GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN", "app.github.dev")
        return f"https://{codespace}-{port}.{domain}/"
    return f"http://localhost:{port}/"
