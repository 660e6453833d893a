"""The map of an engine: its networks, the containers on them, and the ports that this machine publishes."""

from workshop.netmap.drawing import draw
from workshop.netmap.live import LiveMap, live, picture
from workshop.netmap.state import Box, Endpoint, Network, State

__all__ = ["Box", "Endpoint", "LiveMap", "Network", "State", "draw", "live", "picture"]
