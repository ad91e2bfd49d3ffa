"""A person's way, in Chromium: log in at the printed address, choose, run a cell, see the plot."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from cluster.conftest import Access, Fleet

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
# Chromium without its own traffic: nothing here may leave the machine.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SPAWN_LIMIT_MS = 180_000
COURSE_LIMIT_S = 60


@pytest.fixture(scope="module")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture(scope="module", autouse=True)
def screenshots() -> None:
    shutil.rmtree(SCREENSHOTS, ignore_errors=True)
    SCREENSHOTS.mkdir(parents=True)


async def log_in(page: Page, url: str, username: str, password: str) -> None:
    await page.goto(url)
    await page.fill("#username_input", username)
    await page.fill("#password_input", password)
    await page.click("#login_submit")


async def get_server(page: Page, hub: str, username: str) -> None:
    """Whose server runs already is led to it; others take what is proposed to them."""
    server = rf"/{hub}/user/{username}/"
    await page.wait_for_url(re.compile(rf"{server}|/{hub}/hub/spawn(?!-pending)"), timeout=SPAWN_LIMIT_MS)
    if not re.search(server, page.url):
        await expect(page.locator("#profile-item-course")).to_be_checked()
        await page.screenshot(path=SCREENSHOTS / f"{hub}-profiles.png")
        await page.get_by_role("button", name="Start").click()
    await page.wait_for_url(re.compile(server), timeout=SPAWN_LIMIT_MS)


async def wait_for_course(page: Page, access: Access, notebook: str) -> None:
    """It comes while the server starts, and a little later."""
    url = f"{access.url}user/{access.username}/api/contents/{notebook}?content=0"
    async with asyncio.timeout(COURSE_LIMIT_S):
        while not (await page.request.get(url)).ok:
            await asyncio.sleep(0.5)


async def choose(page: Page, menu: str, entry: str) -> None:
    await page.get_by_role("menuitem", name=menu, exact=True).click()
    await page.get_by_role("menuitem", name=entry, exact=True).click()


@pytest.mark.parametrize("hub", ["staginghub", "earthhub"])
async def test_a_person_runs_a_cell_and_sees_the_plot(browser: Browser, fleet: Fleet, hub: str) -> None:
    page = await browser.new_page(viewport={"width": 1280, "height": 900})
    access = fleet.hubs[hub]
    await log_in(page, access.url, access.username, access.password)
    await get_server(page, hub, access.username)
    await wait_for_course(page, access, fleet.notebook)
    await page.goto(f"{access.url}user/{access.username}/lab/tree/{fleet.notebook}?reset")
    await expect(page.locator(".jp-Notebook")).to_be_visible(timeout=60_000)
    await expect(page.locator(".jp-KernelName")).to_have_text("Python 3 (ipykernel)", timeout=60_000)
    await expect(page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]")).to_be_visible(
        timeout=60_000
    )
    # The lesson comes with its outputs; what is seen at the end must be of this run.
    await choose(page, "Edit", "Clear Outputs of All Cells")
    plot = page.locator(".jp-OutputArea-output img").first
    await expect(plot).to_have_count(0)
    await choose(page, "Run", "Run All Cells")
    await expect(plot).to_be_visible(timeout=60_000)
    await plot.scroll_into_view_if_needed()
    await expect(
        page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.error']")
    ).to_have_count(0)
    await page.screenshot(path=SCREENSHOTS / f"{hub}.png")
    assert await plot.evaluate("image => image.naturalWidth") > 100
    await page.close()


async def test_a_wrong_password_does_not_get_in(browser: Browser, fleet: Fleet) -> None:
    page = await browser.new_page()
    access = fleet.hubs["staginghub"]
    await log_in(page, access.url, access.username, "not the password")
    await expect(page.locator(".login_error")).to_be_visible()
    assert "/hub/login" in page.url
    await page.close()


async def test_the_address_lists_both_hubs(browser: Browser, fleet: Fleet) -> None:
    page = await browser.new_page()
    await page.goto(fleet.url)
    for hub in fleet.hubs:
        await expect(page.get_by_role("link", name=hub)).to_be_visible()
    await page.screenshot(path=SCREENSHOTS / "index.png")
    await page.close()
