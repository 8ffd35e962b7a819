"""Faults of accessibility that axe-core finds in a page, by the rules of WCAG 2.2 AA and its own best practices."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page


def accessibility_faults(tab: Page) -> list[str]:
    """Each fault with the elements that have it; empty if axe-core finds none."""
    found = Axe().run(tab).response["violations"]
    return [f"{each['id']}: {node['html'][:200]} {node['failureSummary']}" for each in found for node in each["nodes"]]
