"""Containers: what is known of each, how it lives and ends, and what can be seen of it.

record.py       what is stored of a container, and read again after a crash
config.py       a request to create one: checked, and completed from its image
host_config.py  HostConfig: its defaults, its checks, and what this engine warns of
mounts.py       Binds, Mounts, Volumes, VolumesFrom and Tmpfs as one list of mount points
sandbox.py      a record as the runner wants it: sandbox and program
container.py    one container: its state machine
lifecycle.py    what a user does to one that exists: stop, kill, restart, pause, wait
run.py          one run of a container: its process, its streams, its end
store.py        all containers: create, find, remove, prune; what happens at the engine's start
restart.py      restart policies
health.py       health checks
memory.py       the memory limit
stdio.py        from the program's pipes to the log and to whoever is attached
logs.py         the log file, and how it is read
attach.py       a client's connection coupled to a program's streams
exec.py         more programs in a running container
commit.py       a container becomes an image; snapshot.py is the copy that it is made from
joining.py      what cannot be where another container's network is joined; links.py the old links
shapes.py       what requests look like; names.py, signals.py, timestamps.py: words and numbers
top.py, stats.py, views.py, listing.py     what the API shows
"""
