"""`make screenshots`: the pictures of docs/screenshots, taken of a fresh sandbox. Look at them before you commit them."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.chromium import ARGUMENTS, chromium_path
from tests.sandbox_process import Sandbox, running_sandbox

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
SIZES = {"wide": (1440, 900), "narrow": (390, 844)}
WORKER = "ccie-bootcamp-a"
LAB = "Deploy ccie-bootcamp-a"  # 34 nodes, all of them running


def take(browser: Browser, sandbox: Sandbox, scheme: str, size: str) -> None:
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{sandbox.url}/sign-in/")
    page.fill("input[name=login]", "admin")
    page.fill("input[name=password]", "test")
    page.press("input[name=password]", "Enter")
    page.locator("#live-badge[data-state=connected]").wait_for(timeout=30_000)
    page.goto(sandbox.url)  # without the message of having signed in
    page.locator("#live-badge[data-state=connected]").wait_for(timeout=30_000)
    page.screenshot(path=FOLDER / f"fleet-{scheme}-{size}.png")
    page.locator("#fleet tbody a", has_text=WORKER).first.click()
    page.locator("#live-badge[data-state=connected]").wait_for(timeout=30_000)
    page.screenshot(path=FOLDER / f"worker-{scheme}-{size}.png", full_page=True)
    page.goto(f"{sandbox.url}/labs/?state=running")
    page.locator("#live-badge[data-state=connected]").wait_for(timeout=30_000)
    page.screenshot(path=FOLDER / f"labs-{scheme}-{size}.png")
    page.goto(f"{sandbox.url}/labs/?q={LAB}")
    page.locator("[data-row-link]").first.click()
    page.locator("#live-badge[data-state=connected]").wait_for(timeout=30_000)
    page.screenshot(path=FOLDER / f"lab-{scheme}-{size}.png")
    context.close()


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_sandbox(Path(folder) / "var") as sandbox,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        for scheme in ("light", "dark"):
            for size in SIZES:
                take(browser, sandbox, scheme, size)
        browser.close()
    print(f"Taken into {FOLDER.relative_to(Path.cwd())}: look at them.")


if __name__ == "__main__":
    sys.exit(main())
