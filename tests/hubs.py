"""A hub of data sets on this machine: the few answers of its HTTP interface that the libraries ask for."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def _handler(name: str, files: Mapping[str, bytes], asked: list[str]) -> type[BaseHTTPRequestHandler]:
    def entry(path: str) -> dict[str, object]:
        return {
            "type": "file",
            "path": path,
            "size": len(files[path]),
            "oid": hashlib.sha256(files[path]).hexdigest()[:40],
        }

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing is written to the terminal of the tests."""

        def _send(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for key, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(key.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def _json(self, found: object) -> None:
            self._send(200, json.dumps(found).encode(), Content_Type="application/json")

        def _absent(self, code: str) -> None:
            self._send(404, b"{}", X_Error_Code=code, X_Error_Message=code)

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_POST(self) -> None:
            wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}").get("paths", [])
            asked.append(self.path)
            self._json([entry(path) for path in wanted if path in files])

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            asked.append(path)
            api, resolve = f"/api/datasets/{name}", f"/datasets/{name}/resolve/"
            if path.startswith(resolve):
                revision, _, file = path.removeprefix(resolve).partition("/")
                if revision not in ("main", COMMIT):
                    return self._absent("RevisionNotFound")
                if file not in files:
                    return self._absent("EntryNotFound")
                tag = hashlib.sha256(files[file]).hexdigest()[:40]
                return self._send(200, files[file], ETag=f'"{tag}"', X_Repo_Commit=COMMIT, Accept_Ranges="bytes")
            if not path.startswith(api):
                return self._absent("RepoNotFound")
            rest = path.removeprefix(api).strip("/").split("/")
            if rest[0] == "revision" and rest[1] not in ("main", COMMIT):
                return self._absent("RevisionNotFound")
            if rest[0] == "tree":
                start = "".join(f"{part}/" for part in rest[2:])
                below = [one.removeprefix(start) for one in files if one.startswith(start)]
                folders = dict.fromkeys(one.partition("/")[0] for one in below if "/" in one)
                if not below:
                    return self._absent("EntryNotFound")
                return self._json(
                    [entry(start + one) for one in below if "/" not in one]
                    + [{"type": "directory", "path": start + one, "oid": "0" * 40} for one in folders]
                )
            siblings = [{"rfilename": one} for one in files]
            return self._json({"id": name, "sha": COMMIT, "siblings": siblings, "tags": [], "private": False})

    return Handler


@contextmanager
def hub(name: str, files: Mapping[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """The address of a hub with one data set, and the paths that it was asked for."""
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(name, files, asked))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
