"""The floor: the Marketplace's server with a page that is always the same, and calls nobody."""

import server

PAGE = b"x" * 1500  # About as long as the shop's page.


def static_page(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(len(PAGE)))])
    return [PAGE]


server.create_app = lambda: static_page
server.main()
