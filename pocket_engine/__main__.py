"""`python -m pocket_engine`: see `command`."""

import sys

if __name__ == "__main__":
    if sys.platform != "linux":
        sys.exit("pocket_engine: This engine needs Linux; here, Docker Desktop is the way to have an engine.")

    from pocket_engine.command import main

    sys.exit(main())
