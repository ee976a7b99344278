"""A registry on loopback that has one image: enough of the OCI distribution specification to pull."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench import HOST

_DOCKER = "application/vnd.docker"
MANIFEST = f"{_DOCKER}.distribution.manifest.v2+json"


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _image(archive: Path) -> tuple[str, dict[str, bytes]]:
    """The digest of an image of one layer, and everything that can be asked for, by digest."""
    plain = archive.read_bytes()
    layer = gzip.compress(plain, mtime=0)
    about: dict[str, object] = {"architecture": HOST, "os": "linux", "config": {"Cmd": ["/bin/sh"]}}
    about["history"] = [{"created_by": "the suite"}]
    config = json.dumps({**about, "rootfs": {"type": "layers", "diff_ids": [_digest(plain)]}}).encode()
    kinds = (f"{_DOCKER}.container.image.v1+json", f"{_DOCKER}.image.rootfs.diff.tar.gzip")
    parts = [
        {"mediaType": kind, "size": len(data), "digest": _digest(data)}
        for kind, data in zip(kinds, (config, layer), strict=True)
    ]
    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": MANIFEST, "config": parts[0], "layers": parts[1:]}
    ).encode()
    return _digest(manifest), {_digest(data): data for data in (config, layer, manifest)}


@contextlib.contextmanager
def registry(archive: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a root file system as an image; gives its reference by digest, and what was asked for."""
    digest, things = _image(archive)
    asked: list[str] = []

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(self.path)
            name = self.path.rsplit("/", 1)[-1]
            data = things.get(name, b"{}")
            self.send_response(200 if name in things or self.path == "/v2/" else 404)
            self.send_header("Content-Type", MANIFEST if name == digest else "application/octet-stream")
            self.send_header("Docker-Content-Digest", name)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        do_HEAD = do_GET  # noqa: N815 - the names http.server looks for

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_port}/suite/base@{digest}", asked
        finally:
            server.shutdown()
