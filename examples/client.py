"""Take a picture and save it here: API_TOKEN=mysecrettoken python examples/client.py [ws://localhost:8765]"""

import asyncio
import base64
import json
import os
import sys
from pathlib import Path

import websockets


async def capture(server: str = "ws://localhost:8765") -> dict:
    async with websockets.connect(server, max_size=64 * 2**20) as socket:
        await socket.send(json.dumps({"token": os.environ["API_TOKEN"]}))  # there is no reply to a correct token
        await socket.send(json.dumps({"command": "capture_image", "payload": {"download": "full"}}))
        return json.loads(await socket.recv())


reply = asyncio.run(capture(*sys.argv[1:]))
if reply["status"] == "error":
    sys.exit(reply["message"])
picture = Path(reply["filename"])
picture.write_bytes(base64.b64decode(reply["image_b64"]))
print("saved", picture, picture.stat().st_size, "bytes")
