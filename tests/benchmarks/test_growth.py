"""The growth curve: its table and its picture say what was measured, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

from benchmarks import growth

ROOT = Path(growth.__file__).resolve().parents[1]
SVG = "{http://www.w3.org/2000/svg}"


def kept() -> list[growth.Point]:
    points: list[growth.Point] = json.loads(growth.RESULTS.read_text(encoding="utf-8"))["points"]
    return points


def test_the_page_shows_the_table_that_was_measured() -> None:
    assert [int(point["records"]) for point in kept()] == [1_000, 10_000, 100_000, 1_000_000]
    assert growth.table(kept()) in (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")


def test_the_picture_is_of_the_same_figures() -> None:
    drawn = growth.plot(kept())
    assert growth.PLOT.read_text(encoding="utf-8") == drawn
    assert "images/growth.svg" in (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    picture = ET.fromstring(drawn)
    assert len(picture.findall(f".//{SVG}circle")) == 7 * len(kept())
    style = picture.findtext(f"{SVG}style") or ""
    assert "prefers-color-scheme: dark" in style


def test_ten_times_the_records_stand_one_decade_apart() -> None:
    points = [
        {
            "records": 10.0**power,
            "feed_bytes": 100 * 10.0**power,
            "export_bytes": 100 * 10.0**power,
            "both_bytes": 200 * 10.0**power,
            "feed_seconds": 10.0 ** (power - 5),
            "export_seconds": 10.0 ** (power - 5),
            "plan_seconds": 10.0 ** (power - 5),
            "seconds": 10.0 ** (power - 4),
            "cpu_seconds": 10.0 ** (power - 4),
            "peak_mb": 10.0 ** (power - 3),
            "above_start_mb": 10.0 ** (power - 3),
        }
        for power in (3, 4, 5, 6)
    ]
    picture = ET.fromstring(growth.plot(points))
    dots = [dot for dot in picture.iter(f"{SVG}circle") if dot.get("class") == "d0"]
    across = [float(dot.get("cx", "0")) for dot in dots[:4]]
    up = [float(dot.get("cy", "0")) for dot in dots[:4]]
    steps = {round(one - other, 0) for one, other in zip(across[1:], across, strict=False)}
    rises = {round(other - one, 0) for one, other in zip(up[1:], up, strict=False)}
    assert len(steps) == len(rises) == 1
    assert growth.table(points).splitlines()[2] == (
        "| 1,000 | 0.1 MB | 0.1 MB | 10 ms | 10 ms | 10 ms | 0.10 s | 0.10 s | 1 MB |"
    )
