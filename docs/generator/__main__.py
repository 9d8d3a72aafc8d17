"""`python -m docs.generator`: write the generated documents anew."""

from __future__ import annotations

from docs.generator.documents import written

for path, text in written().items():
    path.write_text(text)
