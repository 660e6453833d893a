"""What the page tells browsers to forbid, and how much it reads of what browsers send."""

import os

from flask import Flask, Response

# Our pages have no forms, so nobody has a reason to send a body.
MAX_BODY_BYTES = 16 * 1024

# Who may show the page in a frame: this machine's own pages, as the notebooks are. In a shop
# where people sign in, set FRAME_ANCESTORS to 'none'.
FRAME_ANCESTORS = "'self' http://localhost:* http://127.0.0.1:* vscode-webview:"


def secure(app: Flask) -> None:
    """Limit what `app` reads, and put the security headers on every answer, errors included."""
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    frames = os.environ.get("FRAME_ANCESTORS", FRAME_ANCESTORS)
    policy = (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
        f"form-action 'none'; frame-ancestors {frames}"
    )

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        return response
