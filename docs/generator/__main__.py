"""`python -m docs.generator` writes the generated documents."""

from __future__ import annotations

from docs.generator.documents import written

for path, text in written().items():
    path.write_text(text)
