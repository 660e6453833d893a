"""`workshop doctor`: everything that can be wrong on a learner's machine, one line each, with its remedy.

It needs nothing but Python itself to start: packages may be what is missing.
"""

from workshop.doctor.examination import examine
from workshop.doctor.report import Finding, Report

__all__ = ["Finding", "Report", "examine"]
