"""A headless Chromium by its DevTools protocol: Python's standard library alone."""
import base64
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import urllib.request


def find():
    """A browser's path, or None."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    return None


class Browser:
    def __init__(self, binary):
        self.folder = tempfile.mkdtemp()
        self.process = subprocess.Popen(
            [binary, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-extensions", "--disable-background-networking", "--disable-component-update", "--no-proxy-server",
             "--remote-debugging-port=0", "--user-data-dir=" + self.folder, "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if match := re.search(r"DevTools listening on ws://[^:]+:(\d+)/", line):
                self.port = int(match[1])
                return
        raise RuntimeError("the browser did not start")

    def page(self):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/json/new?about:blank", method="PUT")
        with urllib.request.urlopen(request) as reply:
            return Page(json.load(reply)["webSocketDebuggerUrl"])

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.process.stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Page:
    """One tab, over a WebSocket."""

    def __init__(self, url):
        host, port, path = re.match(r"ws://([^:/]+):(\d+)(/.*)", url).groups()
        self.socket = socket.create_connection((host, int(port)), timeout=30)
        self.n, self.events, self.complaints = 0, [], []
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        self.file = self.socket.makefile("rb")
        while self.file.readline().strip():
            pass
        for domain in ("Page", "Runtime", "Log"):
            self(domain + ".enable")

    def _send(self, data):
        mask, n = os.urandom(4), len(data)
        size = bytes([0x80 | n]) if n < 126 else b"\xfe" + struct.pack(">H", n) if n < 65536 else b"\xff" + struct.pack(">Q", n)
        self.socket.sendall(b"\x81" + size + mask + bytes(c ^ mask[i % 4] for i, c in enumerate(data)))

    def _receive(self):
        data = b""
        while True:
            first, second = self.file.read(2)
            n = second & 127
            if n > 125:
                n, = struct.unpack(">H" if n == 126 else ">Q", self.file.read(2 if n == 126 else 8))
            data += self.file.read(n)
            if first & 0x80:
                return json.loads(data)

    def _note(self, message):
        """What the browser's console complains of: a broken policy, an exception."""
        if message["method"] == "Log.entryAdded":
            self.complaints.append(message["params"]["entry"]["text"])
        if message["method"] == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(message["params"]))
        self.events.append(message["method"])

    def __call__(self, method, **parameters):
        self.n += 1
        self._send(json.dumps({"id": self.n, "method": method, "params": parameters}).encode())
        while True:
            message = self._receive()
            if message.get("id") == self.n:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            if "method" in message:
                self._note(message)

    def loaded(self):
        """Wait for the load that the last step began."""
        while "Page.loadEventFired" not in self.events:
            self._note(self._receive())
        self.events.clear()

    def go(self, url):
        self.events.clear()
        self("Page.navigate", url=url)
        self.loaded()

    def reload(self):
        self.events.clear()
        self("Page.reload")
        self.loaded()

    def back(self):
        history = self("Page.getNavigationHistory")
        self.events.clear()
        self("Page.navigateToHistoryEntry", entryId=history["entries"][history["currentIndex"] - 1]["id"])
        self.loaded()

    def run(self, script):
        result = self("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(json.dumps(result["exceptionDetails"]))
        return result["result"].get("value")

    def click(self, selector):
        """A real click in the middle of the element, with the load that it begins."""
        x, y = self.run(f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'center'}});"
                        " const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()")
        self.events.clear()
        for kind in ("mousePressed", "mouseReleased"):
            self("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.loaded()

    def key(self, key, code=0):
        """A key pressed and let go; a printable one also types."""
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        code = code or (ord(key.upper()) if key.isalnum() and len(key) == 1 else 0)
        self("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
        self("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def view(self, width, height, dark, phone):
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self("Emulation.setTouchEmulationEnabled", enabled=phone)
        self("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
                                                     {"name": "pointer", "value": "coarse" if phone else "fine"}])

    def picture(self, path):
        with open(path, "wb") as f:
            f.write(base64.b64decode(self("Page.captureScreenshot", format="png")["data"]))
