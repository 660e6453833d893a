"""How gunicorn runs the Marketplace in its image: `gunicorn` in this folder reads this file."""

import os

from gunicorn.workers import gthread

wsgi_app = "marketplace:create_app()"
bind = f"0.0.0.0:{os.environ.get('PORT', '5000')}"

# One process with threads: a request mostly waits for Recommendations, and all of them share one channel.
workers = 1
worker_class = "gthread"
threads = 8
worker_tmp_dir = "/dev/shm"  # Its heartbeat file: in memory, so that the root file system can be read-only.
control_socket_disable = True

# On SIGTERM, requests in flight may still take this many seconds.
graceful_timeout = 5
# A browser's idle connection gets less: enough for a request that is on its way, where gunicorn's own
# two seconds would hold up every stop. There is no setting for it.
gthread.STOP_KEEPALIVE_LINGER = 0.03

logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "logs.JsonFormatter"}},
    "handlers": {
        "stdout": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stdout"}
    },
    "root": {"level": "INFO", "handlers": ["stdout"]},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["stdout"], "propagate": False},
        "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
    },
}
