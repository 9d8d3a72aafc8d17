"""How long a camera may take, in seconds; past it, its process is ended and a new one started."""

from __future__ import annotations

PREVIEW_S = 5.0
CONFIG_S = 10.0
TREE_S = 30.0
FILES_S = 30.0
# Reading a card folder by folder in the background: the driver may ask for each file of a folder by itself, and
# whoever needs the camera waits meanwhile.
CARD_S = 15.0
# Beside the exposure.
CAPTURE_S = 45.0
# Without a byte more.
DOWNLOAD_SILENCE_S = 15.0
# What a server that ends still spends on a wish such as an ISO that is to be put back.
LAST_WISH_S = 1.0
