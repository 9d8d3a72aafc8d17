"""`python -m docs.generator` writes the generated documents, and the types of the JavaScript client."""

from __future__ import annotations

import subprocess
import sys

from docs.generator import typescript
from docs.generator.documents import written

for path, text in written().items():
    path.write_text(text)
try:
    typescript.FILE.write_text(typescript.text())
except (OSError, subprocess.CalledProcessError) as error:
    sys.exit(f"{typescript.FILE.name} was not written. It needs Node.js and `make npm`: {error}")
