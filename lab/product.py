"""The installed product in the guest: installed by the README's commands, and reached over the network."""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Unpack

from gphoto_ws_client import CameraDetails, Client, ClientOptions, GphotoWsError

from lab.addresses import GUEST, SERVER_PORT
from lab.guest import Guest
from lab.system import USER
from tests.support.readme_commands import checked_script, readme_block, source_archive
from tests.support.waiting import until_answers

UNIT = "gphoto-ws-server"
INSTALL_S, READY_S = 900.0, 120.0
_POLL_S = 0.05

# What a user has before the README's first command: git and a clone.
_CLONE = """set -e
sudo apt-get update -q && sudo apt-get install -q git
git config --global user.name N; git config --global user.email n@example.org
git init -q -b main upstream && tar -xf tree.tar -C upstream && cd upstream && git add -A && git commit -q -m one
cd ~ && git clone -q upstream clone
"""
# From docs/raspberry-pi.md, "From other machines".
_OPEN = f"""set -e
printf 'WS_HOST=0.0.0.0\\nWS_PLAIN=yes\\n' | sudo tee -a /etc/{UNIT}/env
sudo systemctl restart {UNIT}
"""


class Product:
    """The service in the guest."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.token = ""

    def install(self) -> float:
        """Install the product with the commands of deploy/README.md. Returns the seconds that these commands took.

        Raises:
            GuestError: a command failed.
        """
        with tempfile.TemporaryDirectory() as folder:
            self.guest.send(source_archive(Path(folder)), "tree.tar", USER)
        self.guest.run(_CLONE, USER, INSTALL_S)
        before = time.monotonic()
        script = f"cd ~/clone\n{checked_script(readme_block('As a service'))}"
        self.guest.run(f"cat >install <<'TYPED'\n{script}TYPED\nbash install </dev/null", USER, INSTALL_S)
        took = time.monotonic() - before
        self.guest.run(_OPEN, USER)
        return took

    def client(self, **options: Unpack[ClientOptions]) -> Client:
        """A client, which logs in at `async with`."""
        self.token = self.token or self.guest.run(f"cat /etc/{UNIT}/api_token").strip()
        return Client(f"ws://{GUEST}:{SERVER_PORT}", self.token, **options)

    async def wait_ready(self, seconds: float = READY_S) -> CameraDetails:
        """Wait until a new client is served and the camera is ready. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while True:
                with suppress(GphotoWsError):
                    async with self.client(reconnect_for=0, open_timeout=2.0) as client:
                        return await ready(client, seconds)
                await asyncio.sleep(_POLL_S)

    async def run(self, script: str, user: str = "root") -> str:
        """Run a script in the guest without blocking the event loop."""
        return await asyncio.to_thread(self.guest.run, script, user)

    async def main_pid(self) -> int:
        """The process id of the server, 0 if it does not run."""
        return int(await self.run(f"systemctl show --value -p MainPID {UNIT}"))


async def ready(client: Client, seconds: float = READY_S, card_read: bool = True) -> CameraDetails:
    """Wait until the only camera can take a picture, and until its card was read. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            with suppress(GphotoWsError):
                cameras = (await client.list_cameras()).cameras
                if cameras:
                    info = await client.get_camera_info(port=cameras[0].port)
                    if (
                        info.connected
                        and info.state in ("ready", "live")
                        and (info.file_count is not None or not card_read)
                    ):
                        return info
            await asyncio.sleep(_POLL_S)


async def gone(client: Client, seconds: float = READY_S) -> None:
    """Wait until no camera is connected. Raises TimeoutError."""

    async def none() -> bool:
        return not any(camera.connected for camera in (await client.list_cameras()).cameras)

    await until_answers(none, seconds)
