"""`python -m pipelines.duration_prediction.zones taxi_zones.zip taxi_zone_centroids.csv`: where the zones' centres lie.

Made once from the shapes that the TLC publishes beside its trip records, and put into the bucket beside the months.
"""

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np
import shapefile  # type: ignore[import-untyped]
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from pipelines.duration_prediction.geography import CENTROID_COLUMNS
from pipelines.errors import ContractError, PipelineError

WGS84 = "EPSG:4326"
FAILED = 1
Points = np.ndarray[tuple[int, int], np.dtype[np.float64]]


@dataclass(frozen=True)
class Centroid:
    """The centre of gravity of a zone, in degrees."""

    zone_id: int
    zone: str
    borough: str
    longitude: float
    latitude: float


@dataclass(frozen=True)
class Part:
    """One polygon of a zone: its area, and that times its centre, in the plane of the file's projection."""

    zone_id: int
    zone: str
    borough: str
    area: float
    moment: tuple[float, float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the table of centroids; gives the exit code: 0 done, 1 failed."""
    parser = argparse.ArgumentParser(prog="zones", description="Make the table of the taxi zones' centres.")
    parser.add_argument("shapes", type=Path, help="the TLC's taxi_zones.zip, or the .shp in it with its siblings")
    parser.add_argument("table", type=Path, help="the table to write, taxi_zone_centroids.csv")
    options = parser.parse_args(arguments)
    try:
        centroids = find_centroids(options.shapes)
        write_centroids(centroids, options.table)
    except (PipelineError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    sys.stdout.write(f"{len(centroids)} zones in {options.table}\n")
    return 0


def find_centroids(shapes: Path) -> list[Centroid]:
    """The centre of gravity of each zone, by id; a zone of several polygons has one, weighted by their areas.

    Raises ContractError for a file that holds no zones.
    """
    try:
        to_degrees = Transformer.from_crs(_projection(shapes), WGS84, always_xy=True)
        with shapefile.Reader(str(shapes)) as reader:
            parts = list(_parts(reader))
    except (shapefile.ShapefileException, BadZipFile, CRSError, KeyError, IndexError, AttributeError) as error:
        raise ContractError(
            f"{shapes.name} holds no taxi zones ({str(error).splitlines()[0].rstrip('.')}): take the TLC's "
            "taxi_zones.zip."
        ) from error
    zones: dict[int, list[Part]] = {}
    for part in parts:
        zones.setdefault(part.zone_id, []).append(part)
    return [_centroid(zones[zone_id], to_degrees) for zone_id in sorted(zones)]


def write_centroids(centroids: Sequence[Centroid], table: Path) -> None:
    """Write the table that `read_geography` reads; degrees with six decimals, a tenth of a metre."""
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(CENTROID_COLUMNS)
        for each in centroids:
            degrees = (round(each.longitude, 6), round(each.latitude, 6))
            writer.writerow((each.zone_id, each.zone, each.borough, *degrees))


def _projection(shapes: Path) -> CRS:
    """The projection that stands beside the shapes; the TLC's is the state plane of New York in feet."""
    if shapes.suffix != ".zip":
        return CRS.from_wkt(shapes.with_suffix(".prj").read_text(encoding="utf-8"))
    with ZipFile(shapes) as archive:
        name = next((name for name in archive.namelist() if name.endswith(".prj")), "a .prj")
        return CRS.from_wkt(archive.read(name).decode("utf-8"))


def _parts(reader: shapefile.Reader) -> Iterator[Part]:
    for each in reader.iterShapeRecords():
        fields = each.record.as_dict()
        points, starts = np.asarray(each.shape.points, dtype="float64"), each.shape.parts
        rings = np.split(points, list(starts)[1:])
        areas, moments = zip(*(_area_and_moment(ring) for ring in rings), strict=True)
        yield Part(
            zone_id=int(fields["LocationID"]),
            zone=str(fields["zone"]),
            borough=str(fields["borough"]),
            area=float(np.sum(areas)),
            moment=(float(np.sum(moments, axis=0)[0]), float(np.sum(moments, axis=0)[1])),
        )


def _area_and_moment(ring: Points) -> tuple[float, tuple[float, float]]:
    """A closed ring's signed area, and its centre times that (the shoelace formula); a hole's sign is the other one."""
    x, y = (ring - ring[0]).T
    cross = x[:-1] * y[1:] - x[1:] * y[:-1]
    area = float(cross.sum()) / 2
    east, north = (float(((axis[:-1] + axis[1:]) * cross).sum()) / 6 for axis in (x, y))
    return area, (east + area * float(ring[0][0]), north + area * float(ring[0][1]))


def _centroid(parts: Sequence[Part], to_degrees: Transformer) -> Centroid:
    area = sum(part.area for part in parts)
    east, north = (sum(part.moment[axis] for part in parts) / area for axis in (0, 1))
    longitude, latitude = to_degrees.transform(east, north)
    return Centroid(parts[0].zone_id, parts[0].zone, parts[0].borough, float(longitude), float(latitude))


if __name__ == "__main__":
    sys.exit(main())
