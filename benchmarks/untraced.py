"""A service as if tracing had never been written, for `python -c` in its image: to know what tracing costs.

Everything that tracing.py offers is replaced by something that does nothing, before the service is imported.
"""

UNTRACED = """
import sys, types
tracing = types.ModuleType("tracing")
tracing.interceptors = lambda service: []
tracing.client_interceptors = lambda: []
tracing.trace = lambda app: None
sys.modules["tracing"] = tracing
import {module}
{module}.main()
"""
