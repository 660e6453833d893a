"""Exit with 0 when the page's process on this machine answers: the image's HEALTHCHECK."""

import os
import sys
from http.client import HTTPConnection

connection = HTTPConnection("localhost", int(os.environ.get("PORT", "5000")), timeout=2)
connection.request("GET", "/healthz")
sys.exit(connection.getresponse().status != 200)
