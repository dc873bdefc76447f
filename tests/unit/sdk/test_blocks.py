"""Blocks are saved under a name and come back as they were."""

import asyncio
import pickle
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel, Field, SecretBytes, SecretStr, field_serializer

from orchestration.sdk import block_model
from orchestration.sdk.block_model import (
    BlockExists,
    BlockNotFound,
    BlockUsageError,
    InvalidBlock,
    SecretDict,
    UnknownBlockType,
)
from orchestration.sdk.blocks import Block, LocalFileSystem, Secret
from orchestration.sdk.context import Session, test_harness

ROOT = Path(__file__).parents[3]


class Engine(Block):
    """What moves a car."""

    power: int
    key: SecretStr = SecretStr("")


class Papers(BaseModel):
    number: SecretStr
    issued: datetime


class Car(Block):
    """Something that moves."""

    plate: str
    engine: Engine | None = None
    pin: SecretStr | None = None
    raw: SecretBytes | None = None
    codes: SecretDict = Field(default_factory=lambda: SecretDict({}))
    papers: Papers | None = None
    spare: list[Engine] = Field(default_factory=list)
    range_: timedelta = Field(default=timedelta(hours=1), alias="range")

    @field_serializer("plate")
    def _loud(self, plate: str) -> str:
        return plate.upper()


@pytest.fixture(autouse=True)
def session() -> Iterator[Session]:
    with test_harness() as session:
        yield session


def test_what_was_saved_comes_back() -> None:
    issued = datetime(2026, 1, 2, tzinfo=UTC)
    car = Car(
        plate="ab-1",
        pin=SecretStr("12345"),
        raw=SecretBytes(b"bytes"),
        codes=SecretDict({"door": "9876", "deep": {"trunk": [1, 2]}}),
        papers=Papers(number=SecretStr("P-1"), issued=issued),
        range=timedelta(minutes=5),
    )
    document_id = car.save("mine")
    loaded = Car.load("mine")
    assert loaded.model_dump(exclude={"plate"}) == {**car.model_dump(exclude={"plate"})}
    assert (loaded.plate, loaded.range_) == ("AB-1", timedelta(minutes=5))
    assert loaded.pin is not None
    assert loaded.pin.get_secret_value() == "12345"
    assert loaded.codes.get_secret_value() == {"door": "9876", "deep": {"trunk": [1, 2]}}
    assert loaded.papers == Papers(number=SecretStr("P-1"), issued=issued)
    assert isinstance(document_id, UUID)
    assert (loaded._block_document_id, loaded._block_document_name) == (document_id, "mine")


def test_the_base_class_finds_the_type_by_its_slug() -> None:
    Engine(power=7).save("small")
    assert Block.load("engine/small") == Engine.load("small")
    assert isinstance(Block.load("engine/small"), Engine)


def test_a_nested_saved_block_is_kept_as_a_reference(session: Session) -> None:
    engine = Engine(power=5, key=SecretStr("engine-key"))
    engine.save("five")
    Car(plate="x", engine=engine).save("with-engine")
    Engine(power=6, key=SecretStr("other-key")).save("five", overwrite=True)
    loaded = Car.load("with-engine")
    assert loaded.engine is not None
    assert (loaded.engine.power, loaded.engine.key.get_secret_value()) == (6, "other-key")
    assert loaded.engine._block_document_name == "five"
    document = session.backend.block_document(slug="car", name="with-engine")
    assert document.references["engine"].id == engine._block_document_id


def test_a_nested_unsaved_block_is_kept_whole_and_of_its_type() -> None:
    class Electric(Engine):
        """An engine without a tank."""

        volts: int = 400

    Car(plate="x", engine=Electric(power=1, volts=800, key=SecretStr("volt-key")), spare=[Engine(power=2)]).save("e")
    loaded = Car.load("e")
    assert isinstance(loaded.engine, Electric)
    assert (loaded.engine.volts, loaded.engine.key.get_secret_value()) == (800, "volt-key")
    assert [engine.power for engine in loaded.spare] == [2]
    assert loaded.engine._block_document_id is None


def test_a_name_is_taken_until_overwriting_is_asked_for() -> None:
    Engine(power=1).save("one")
    with pytest.raises(BlockExists, match=r"^The block engine/one exists already; replace it with overwrite=True"):
        Engine(power=2).save("one")
    assert Engine.load("one").power == 1
    first = Engine.load("one")._block_document_id
    assert Engine(power=3).save("one", overwrite=True) == first
    assert Engine.load("one").power == 3


def test_overwriting_replaces_everything() -> None:
    Car(plate="x", pin=SecretStr("12345"), engine=Engine(power=1)).save("c")
    Car(plate="y").save("c", overwrite=True)
    loaded = Car.load("c")
    assert (loaded.plate, loaded.pin, loaded.engine) == ("Y", None, None)


def test_a_loaded_block_is_saved_under_its_own_name_or_another() -> None:
    Engine(power=1).save("one")
    loaded = Engine.load("one")
    loaded.power = 9
    loaded.save(overwrite=True)
    loaded.save("two")
    assert (Engine.load("one").power, Engine.load("two").power) == (9, 9)


@pytest.mark.parametrize("name", ["Upper", "under_score", "a/b", "a b", "é", ""])
def test_a_name_has_few_characters(name: str) -> None:
    with pytest.raises(BlockUsageError, match=r"letters a-z, digits and dashes"):
        Engine(power=1).save(name)


def test_without_a_name_nothing_is_saved() -> None:
    with pytest.raises(BlockUsageError, match=r"^The name .. will not do; call save"):
        Engine(power=1).save()


def test_a_missing_block_is_named() -> None:
    with pytest.raises(BlockNotFound, match=r"^There is no block engine/nothing; see `orchestrate block ls`"):
        Engine.load("nothing")
    with pytest.raises(ValueError, match="engine/nothing"):  # as in Prefect
        Block.load("engine/nothing")


def test_the_base_class_needs_a_slug() -> None:
    with pytest.raises(BlockUsageError, match="type-slug/name"):
        Block.load("small")


def test_a_type_that_nobody_knows_is_named(session: Session) -> None:
    class Passing(Block):
        x: int = 1

    Passing(x=1).save("p")
    del block_model.CLASSES["passing"]
    with pytest.raises(UnknownBlockType, match=r"'passing' is not known here; import it, or install its package"):
        Block.load("passing/p")


def test_a_nested_type_that_nobody_knows_is_left_to_the_field() -> None:
    class Wheel(Block):
        size: int

    class Bike(Block):
        wheel: Wheel

    wheel = Wheel(size=28)
    wheel.save("w")
    Bike(wheel=wheel).save("b")
    del block_model.CLASSES["wheel"]
    assert Bike.load("b").wheel == Wheel(size=28)


def test_what_is_built_in_or_installed_is_found_by_its_slug(session: Session, tmp_path: Path) -> None:
    Secret(value=SecretStr("text")).save("s")
    LocalFileSystem(basepath="/").save("f")
    Engine(power=5).save("e")
    (tmp_path / "cars.py").write_text(
        "from orchestration import Block\nclass Engine(Block):\n    power: int\n    _block_type_slug = 'engine'\n"
    )
    installed = tmp_path / "cars-1.0.dist-info"
    installed.mkdir()
    (installed / "entry_points.txt").write_text("[orchestration.blocks]\nengine = cars:Engine\n")
    program = (
        "from orchestration import Block; Block.load('secret/s'); Block.load('local-file-system/f'); "
        "print(repr(Block.load('engine/e')))"
    )
    environment = {"ORCHESTRATION_HOME": str(session.settings.home), "PYTHONPATH": f"{ROOT}:{tmp_path}"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "Engine(power=5)\n"


def test_a_block_is_loaded_by_the_id_of_its_document_too() -> None:
    document_id = Engine(power=4).save("four")
    assert Engine.load_from_ref(document_id).power == 4
    assert Block.load_from_ref(str(document_id)) == Engine.load("four")
    with pytest.raises(BlockNotFound):
        Engine.load_from_ref(uuid4())


def test_async_code_may_await_everything() -> None:
    async def main() -> tuple[int, int]:
        await Engine(power=1).save("plain")  # type: ignore[misc]
        await Engine(power=2).asave("twin")
        plain = await Engine.load("plain")  # type: ignore[misc]
        twin = await Engine.aload("twin")
        await Car.aregister_type_and_schema()
        return plain.power, twin.power

    assert asyncio.run(main()) == (1, 2)


def test_a_block_that_its_class_has_outgrown_is_named() -> None:
    class Boat(Block):
        """Floats."""

        name: str
        code: SecretStr = SecretStr("")

    Boat(name="Vasa", code=SecretStr("boat-code")).save("b")

    class NewBoat(Boat):
        """Floats."""

        _block_type_slug = "boat"
        length: int

    with pytest.raises(InvalidBlock) as caught:
        NewBoat.load("b")
    assert str(caught.value) == (
        "The block boat/b does not fit NewBoat: the field 'length' is wrong (Field required); save it again."
    )


def test_registering_twice_changes_nothing(session: Session) -> None:
    Car.register_type_and_schema()
    before, schemas = session.backend.find("block_types"), session.backend.find("block_schemas")
    Car.register_type_and_schema()
    after = session.backend.find("block_types")
    assert [each["id"] for each in before] == [each["id"] for each in after]
    assert [each["id"] for each in schemas] == [each["id"] for each in session.backend.find("block_schemas")]
    assert {each["slug"] for each in after} == {"car", "engine"}


def test_the_base_class_is_no_type() -> None:
    with pytest.raises(BlockUsageError, match=r"^Block is a base class; register the classes derived from it\.$"):
        Block.register_type_and_schema()


def test_a_block_travels_between_processes() -> None:
    engine = Engine(power=3, key=SecretStr("travel-key"))
    engine.save("traveller")
    copy = pickle.loads(pickle.dumps(engine))
    assert copy == engine
    assert copy._block_document_name == "traveller"


def test_the_database_file_holds_no_secret_and_no_key(session: Session, tmp_path: Path) -> None:
    Car(plate="x", pin=SecretStr("super-secret-pin"), codes=SecretDict({"a": "nested-secret"})).save("c")
    key = (session.settings.home / "encryption.key").read_text().strip()
    session.backend.find("block_types")
    content = b"".join(path.read_bytes() for path in session.settings.home.glob("orchestration.db*"))
    assert b"car" in content
    for secret in ("super-secret-pin", "nested-secret", key):
        assert secret.encode() not in content


def test_a_block_is_deleted_even_if_it_does_not_fit_its_class_any_more(session: Session) -> None:
    Engine(power=90).save("front")
    document = session.backend.block_document(slug="engine", name="front")
    session.backend.update_block_document(document.id, {"power": "none"})
    with pytest.raises(InvalidBlock):
        Engine.load("front")
    Engine.delete("front")
    with pytest.raises(BlockNotFound, match="There is no block engine/front"):
        Engine.delete("front")


def test_any_block_is_deleted_by_its_type_and_name() -> None:
    Engine(power=90).save("front")
    asyncio.run(Block.adelete("engine/front"))
    with pytest.raises(BlockNotFound):
        Block.load("engine/front")
    with pytest.raises(BlockUsageError, match="use 'type-slug/name'"):
        Block.delete("front")
