"""What runs in a child process, between the engine and a container's program.

It is started without the site's packages and imports no more than it needs, because everybody waits for it:

    python -I -S -c "…; from launcher.program import main; main()"
"""
