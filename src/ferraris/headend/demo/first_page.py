"""The first page as a browser would get it: signed in, fetched, and put into one file."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Final

import httpx

from ferraris.core.errors import LineError

__all__ = ["keep_first_page"]

_KEY: Final = re.compile(r'name="csrf" value="([^"]+)"')
_SHEET: Final = re.compile(r'<link rel="stylesheet" href="(/[^"]+)">')
_PICTURE: Final = re.compile(r'src="(/static/[^"]+)"')
_SCRIPT: Final = re.compile(r"<script[^>]*></script>")


async def keep_first_page(url: str, token: str, file: Path) -> str:
    """Sign in at `url`, fetch the overview, and write it to a file with its styles in it.

    Returns the text of the page. Raises `LineError` when it is not what it should be.
    """
    async with httpx.AsyncClient(base_url=url, follow_redirects=True, timeout=30) as browser:
        door = await browser.get("/login")
        key = _KEY.search(door.text)
        if key is None:
            raise LineError("the page has no door", where="demo")
        page = await browser.post(
            "/login", data={"csrf": key[1], "next": "/", "token": token}
        )  # fmt: skip
        if page.status_code != 200 or page.url.path != "/":
            raise LineError(f"the page answered {page.status_code}", where="demo")
        text = _SCRIPT.sub("", page.text)
        for sheet in _SHEET.findall(text):
            styles = (await browser.get(sheet)).text
            link = f'<link rel="stylesheet" href="{sheet}">'
            text = text.replace(link, f"<style>{styles}</style>")
        for picture in set(_PICTURE.findall(text)):
            got = await browser.get(picture)
            octets = base64.b64encode(got.content).decode()
            kind = got.headers["content-type"]
            text = text.replace(f'src="{picture}"', f'src="data:{kind};base64,{octets}"')
    file.write_text(text, encoding="utf-8")
    return text
