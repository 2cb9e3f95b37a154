"""Serving the recipe's own web: what answers, what is refused, and that nothing stays behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from webpairs_core.errors import RecipeError, StorageError
from webpairs_pipeline.recipe import ServeSection
from webpairs_pipeline.serve import serving
from webpairs_pipeline.site import gallery_site
from webpairs_pipeline.web_server import find


@pytest.fixture
def two_sites(tmp_path: Path) -> Path:
    root = tmp_path / "sites"
    (root / "alpha").mkdir(parents=True)
    (root / "alpha" / "index.html").write_text("<h1>alpha</h1>")
    (root / "beta" / "菜 谱").mkdir(parents=True)
    (root / "beta" / "菜 谱" / "index.html").write_text("<h1>beta</h1>")
    (root / "beta" / "菜 谱" / "图.jpg").write_bytes(b"\xff\xd8 a picture")
    (root / "secret.txt").write_text("not served")
    return root


def get(url: str) -> tuple[int, str, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read()


def test_no_web_has_no_seeds_and_starts_nothing(tmp_path: Path) -> None:
    with serving(ServeSection(), tmp_path) as web:
        assert web.seeds == ()
    assert list(tmp_path.iterdir()) == []


def test_each_folder_is_a_host(two_sites: Path, tmp_path: Path, free_port: int) -> None:
    section = ServeSection(web="folders", path=str(two_sites), port=free_port)
    with serving(section, tmp_path) as web:
        alpha, beta = web.seeds
        assert (alpha, beta) == (f"http://127.0.0.2:{free_port}/", f"http://127.0.0.3:{free_port}/")
        assert get(alpha) == (200, "text/html; charset=utf-8", b"<h1>alpha</h1>")
        folder = f"{beta}%E8%8F%9C%20%E8%B0%B1"
        assert get(f"{folder}/%E5%9B%BE.jpg") == (200, "image/jpeg", b"\xff\xd8 a picture")
        assert get(folder)[2] == b"<h1>beta</h1>"
        assert get(beta)[0] == 404
        for outside in ("../secret.txt", "%2e%2e/secret.txt", "..%2fsecret.txt", "a%00b"):
            assert get(f"{beta}{outside}")[0] == 404
    log = (tmp_path / "run" / "served.log").read_text().splitlines()
    assert log[0] == "127.0.0.2/ 200"
    with pytest.raises(urllib.error.URLError):
        get(alpha)


def test_gallery_has_every_caption_once(tmp_path: Path) -> None:
    rows = [{"file": f"{i} #.png", "en": f'no. {i} "<&>"', "ko": "x"} for i in range(120)]
    listing = "\n".join(json.dumps(row) for row in rows)
    (tmp_path / "captions.jsonl").write_text(listing)
    site = gallery_site(tmp_path, 9)
    assert site.seeds == ("http://127.0.0.2:9/",)
    pages = [find(site, f"127.0.0.2/page-{n}.html").body.decode() for n in range(3)]
    assert [page.count("<img ") for page in pages] == [50, 50, 20]
    assert 'src="/images/7%20%23.png" alt="no. 7 &quot;&lt;&amp;>&quot;"' in pages[0]
    assert find(site, "127.0.0.2/").body.decode().count("<a href=") == 3
    assert find(site, "127.0.0.2/images/7%20%23.png").file == str(tmp_path / "7 #.png")
    assert find(site, "127.0.0.2/images/7.png").status == 404


def test_path_that_is_no_folder_is_one_sentence(tmp_path: Path) -> None:
    for web in ("folders", "gallery"):
        section = ServeSection(web=web, path=str(tmp_path / "absent"))
        with pytest.raises(RecipeError, match="is not a folder: set it with --set"):
            serving(section, tmp_path).__enter__()
    with pytest.raises(RecipeError, match="0 sub-folders"):
        serving(ServeSection(web="folders", path=str(tmp_path)), tmp_path).__enter__()
    with pytest.raises(RecipeError, match=r"no captions\.jsonl"):
        serving(ServeSection(web="gallery", path=str(tmp_path)), tmp_path).__enter__()
    (tmp_path / "captions.jsonl").write_text('{"file": "a.png"}')
    with pytest.raises(RecipeError, match="one object with file and en a line"):
        serving(ServeSection(web="gallery", path=str(tmp_path)), tmp_path).__enter__()


def test_port_in_use_is_one_sentence(two_sites: Path, tmp_path: Path, free_port: int) -> None:
    section = ServeSection(web="folders", path=str(two_sites), port=free_port)
    with socket.socket() as other:
        other.bind(("127.0.0.3", free_port))
        other.listen()
        with pytest.raises(StorageError, match=rf"127\.0\.0\.3:{free_port} .*--set serve\.port="):
            serving(section, tmp_path).__enter__()
    # What had been bound before the refusal is free again.
    with serving(section, tmp_path) as web:
        assert get(web.seeds[0])[0] == 200


_HOLDER = """
import sys, time
from pathlib import Path
from webpairs_pipeline.recipe import ServeSection
from webpairs_pipeline.serve import serving
if __name__ == "__main__":
    section = ServeSection(web="folders", path=sys.argv[1], port=int(sys.argv[2]))
    with serving(section, Path(sys.argv[3])):
        print("up", flush=True)
        time.sleep(60)
"""


def test_server_dies_with_a_killed_parent(two_sites: Path, tmp_path: Path, free_port: int) -> None:
    script = tmp_path / "holder.py"
    script.write_text(_HOLDER)
    with subprocess.Popen(
        [sys.executable, str(script), str(two_sites), str(free_port), str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"up\n"
        url = f"http://127.0.0.2:{free_port}/"
        assert get(url)[0] == 200
        holder.send_signal(signal.SIGKILL)
    for _ in range(100):
        try:
            get(url)
        except OSError:  # refused, or reset while the process was going
            return
        time.sleep(0.1)
    pytest.fail("the server outlived its parent by ten seconds")
