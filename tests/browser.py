"""A headless Chromium driven over its debugging pipe: no driver, no package, no network."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --remote-debugging-pipe"
)


def find_chromium() -> str | None:
    """The browser's path, or None."""
    return next(
        (p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))),
        None,
    )


class Browser:
    """One page. `errors` are uncaught exceptions, console errors and refusals; `requests` all addresses."""

    def __init__(self, page: Path, *, width: int = 1400, height: int = 1000):
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._profile = tempfile.mkdtemp()
        to_read, self._out = os.pipe()
        self._in, to_write = os.pipe()
        command = f'exec "$0" {FLAGS} --window-size={width},{height} "$1" about:blank 3<&{to_read} 4>&{to_write}'
        self._process = subprocess.Popen(
            ["bash", "-c", command, find_chromium(), f"--user-data-dir={self._profile}"],
            pass_fds=(to_read, to_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_read)
        os.close(to_write)
        self._rest, self._number, self._session = b"", 0, None
        targets = self._send("Target.getTargets")["targetInfos"]
        target = next(t["targetId"] for t in targets if t["type"] == "page")
        self._session = self._send("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Runtime", "Log", "Page", "Network"):
            self._send(f"{domain}.enable")
        still = [{"name": "prefers-reduced-motion", "value": "reduce"}]
        self._send("Emulation.setEmulatedMedia", features=still)
        self._loaded = False
        self._send("Page.navigate", url=page.resolve().as_uri())
        self._until(lambda: self._loaded)

    def run(self, script: str):
        """Value of a JavaScript expression; `AssertionError` if it throws."""
        answer = self._send(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def key(self, name: str) -> None:
        """Press and release a key."""
        codes = {
            "Enter": 13,
            "Escape": 27,
            "ArrowLeft": 37,
            "ArrowUp": 38,
            "ArrowRight": 39,
            "ArrowDown": 40,
        }
        for kind in ("keyDown", "keyUp"):
            self._send(
                "Input.dispatchKeyEvent",
                type=kind,
                key=name,
                code=name,
                windowsVirtualKeyCode=codes[name],
            )

    def mouse(self, selector: str, *, click: bool = False) -> None:
        """Move the mouse over the middle of an element, and click it."""
        where = f"""(async () => {{ const e = document.querySelector({json.dumps(selector)});
            const frame = () => new Promise(requestAnimationFrame);
            let last = "";
            for (let i = 0; i < 200; i += 1) {{ // until it lies still
                e.scrollIntoView({{block: "center", behavior: "instant"}});
                await frame(); await frame();
                const b = e.getBoundingClientRect(), now = [b.x, b.y].join();
                if (now === last) return [b.x + b.width / 2, b.y + b.height / 2];
                last = now;
            }} }})()"""
        x, y = self.run(where)
        kinds = [("mouseMoved", "none", 0)]
        kinds += [("mousePressed", "left", 1), ("mouseReleased", "left", 1)] if click else []
        for kind, button, count in kinds:
            self._send(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=count
            )

    def screenshot(self, path: Path) -> None:
        """Write the window as PNG."""
        path.write_bytes(base64.b64decode(self._send("Page.captureScreenshot")["data"]))

    def close(self) -> None:
        """End the browser that this object started."""
        self._process.terminate()
        self._process.wait(20)
        os.close(self._in)
        os.close(self._out)
        shutil.rmtree(self._profile, ignore_errors=True)

    def _send(self, method: str, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        found = {}

        def answered() -> bool:
            return "answer" in found

        self._until(answered, found, self._number)
        assert "error" not in found["answer"], found["answer"]
        return found["answer"]["result"]

    def _until(self, done, found: dict | None = None, number: int = -1) -> None:
        end = time.monotonic() + 60
        while not done():
            assert time.monotonic() < end, "the browser did not answer within a minute"
            chunk = os.read(self._in, 1 << 20)
            assert chunk, "the browser has ended"
            *whole, self._rest = (self._rest + chunk).split(b"\0")
            for raw in whole:
                message = json.loads(raw)
                if message.get("id") == number and found is not None:
                    found["answer"] = message
                else:
                    self._note(message)

    def _note(self, message: dict) -> None:
        method, given = message.get("method"), message.get("params", {})
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.errors.append(str(given["exceptionDetails"]))
        elif method == "Log.entryAdded" and given["entry"]["level"] in ("error", "warning"):
            self.errors.append(given["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and given["type"] in (
            "error",
            "warning",
            "assert",
        ):
            self.errors.append(str(given["args"]))
