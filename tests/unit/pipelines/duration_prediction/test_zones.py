"""From published shapes to the table of centroids."""

from pathlib import Path
from zipfile import ZipFile

import pytest
import shapefile  # type: ignore[import-untyped]
from pyproj import CRS, Transformer

from pipelines.duration_prediction.geography import read_geography
from pipelines.duration_prediction.zones import find_centroids, main

# The state plane of New York City in feet, in which the TLC publishes.
STATE_PLANE = CRS.from_epsg(2263)
EAST, NORTH = 1_000_000.0, 200_000.0


def _square(east: float, north: float, side: float, hole: bool = False) -> list[tuple[float, float]]:
    """A closed ring about a centre: clockwise, as shapefiles want it, or the other way round for a hole."""
    half = side / 2
    corners = [(-half, -half), (-half, half), (half, half), (half, -half), (-half, -half)]
    ring = [(EAST + east + x, NORTH + north + y) for x, y in corners]
    return ring[::-1] if hole else ring


def _feet(longitude: float, latitude: float) -> tuple[float, float]:
    x, y = Transformer.from_crs("EPSG:4326", STATE_PLANE, always_xy=True).transform(longitude, latitude)
    return x - EAST, y - NORTH


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    """Zone 7 is a square with a hole at its eastern edge, zone 3 two squares of which one is four times the other."""
    path = tmp_path / "taxi_zones.shp"
    with shapefile.Writer(str(path)) as writer:
        for name, kind in (("LocationID", "N"), ("zone", "C"), ("borough", "C")):
            writer.field(name, kind)
        for zone, rings in (
            (7, [_square(0, 0, 400), _square(100, 0, 100, hole=True)]),
            (3, [_square(0, 5_000, 200)]),
            (3, [_square(1_000, 5_000, 100)]),
        ):
            writer.poly(rings)
            writer.record(zone, f"Zone {zone}", "Queens")
    path.with_suffix(".prj").write_text(STATE_PLANE.to_wkt("WKT1_ESRI"))
    return path


@pytest.fixture
def archive(shapes: Path) -> Path:
    path = shapes.with_suffix(".zip")
    with ZipFile(path, "w") as file:
        for part in shapes.parent.glob("taxi_zones.*"):
            if part != path:
                file.write(part, part.name)
    return path


def test_the_centre_of_gravity_of_each_zone(shapes: Path) -> None:
    third, seventh = find_centroids(shapes)
    assert (third.zone_id, third.zone, third.borough) == (3, "Zone 3", "Queens")
    # 40,000 square feet at 0 and 10,000 at 1,000 feet; a square of 160,000 without 10,000 at 100 feet.
    assert _feet(third.longitude, third.latitude) == pytest.approx((200, 5_000), abs=0.1)
    assert _feet(seventh.longitude, seventh.latitude) == pytest.approx((-100 / 15, 0), abs=0.1)


def test_the_archive_as_it_is_published_becomes_a_map(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = archive.with_name("taxi_zone_centroids.csv")
    assert main([str(archive), str(table)]) == 0
    assert capsys.readouterr().out == f"2 zones in {table}\n"
    found = read_geography(table)
    assert found.boroughs == {3: "Queens", 7: "Queens"}
    assert found.y[3] - found.y[7] == pytest.approx(5_000 / 5_280, abs=0.005)


@pytest.mark.parametrize("content", [b"", b"PK nonsense"])
def test_another_file_is_refused_in_a_sentence(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "taxi_zones.zip"
    path.write_bytes(content)
    assert main([str(path), str(tmp_path / "out.csv")]) == 1
    assert capsys.readouterr().err.startswith("taxi_zones.zip holds no taxi zones (")


def test_shapes_of_something_else_are_refused(shapes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with shapefile.Writer(str(shapes)) as writer:
        writer.field("name", "C")
        writer.poly([_square(0, 0, 10)])
        writer.record("park")
    assert main([str(shapes), str(shapes.with_suffix(".csv"))]) == 1
    assert "holds no taxi zones" in capsys.readouterr().err


def test_an_absent_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "absent.zip"), str(tmp_path / "out.csv")]) == 1
    assert "absent.zip" in capsys.readouterr().err
