"""Makes the helpers beside some tests importable by their own names from everywhere."""

import sys
from pathlib import Path

for room in ("chaos", "client", "counters", "members", "node"):
    sys.path.insert(0, str(Path(__file__).parent / "unit" / room))
