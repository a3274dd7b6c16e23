"""`vox-gateway simulate`: times until all shards are ready, and their plots."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from vox_gateway.cli import main
from vox_gateway.cli.simulate import Scenario, identify, resume


@pytest.mark.parametrize(
    ("shards", "max_concurrency", "floor"), [(128, 1, 635), (1024, 16, 315), (16_000, 16, 4995), (16_000, 64, 1245)]
)
def test_identify_takes_little_more_than_discord_demands(shards: int, max_concurrency: int, floor: int) -> None:
    scenario = Scenario(shards, max_concurrency)
    ready = identify(scenario)
    assert len(ready) == shards
    assert scenario.floor == floor
    assert floor < ready[-1] < 1.15 * floor + 3


def test_every_interval_has_its_bucket() -> None:
    ready = identify(Scenario(64, 16))
    assert [sum(at < until for at in ready) for until in (5, 10, 15)] == [16, 32, 48]


def test_resume_depends_on_the_processes_alone() -> None:
    one, many = (resume(Scenario(1024, processes=count))[-1] for count in (1, 16))
    assert len(resume(Scenario(1000, processes=16))) == 1000
    assert 10 < one / many < 20
    assert resume(Scenario(1024, 1)) == resume(Scenario(1024, 64))


def test_missing_session_starts_cost_a_day() -> None:
    ready = identify(Scenario(25, starts=10))
    assert [sum(at < days * 86_400 for at in ready) for days in (1, 2, 3)] == [10, 20, 25]


def test_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--shards", "16000", "--max-concurrency", "16"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "16,000 shards; the last IDENTIFY comes after 4,995 seconds (83 minutes) or more"
    assert lines[2].startswith("IDENTIFY, 16 every 5 seconds: all are ready after 5,")
    assert lines[11].startswith("RESUME, 16 processes with 8 at once: all are ready after ")
    assert lines[3].startswith("  100 % |")
    assert lines[3].endswith("█")
    assert max(map(len, lines)) < 80


def test_one_shard(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--shards", "1", "--session-starts", "1", "--processes", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1 shard; the last IDENTIFY comes after 0 seconds or more"
    assert lines[2] == "IDENTIFY, 1 every 5 seconds: all are ready after 1 second"
    assert lines[11].startswith("RESUME, 1 process with 8 at once: ")


@pytest.mark.parametrize("option", ["--shards", "--processes", "--at-once", "--max-concurrency"])
def test_counts_beyond_all_memory_are_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["simulate", "--shards", "1", option, "100001"])
    assert caught.value.code == 2
    assert f"argument {option}: invalid count '100001': expected at most 100,000" in capsys.readouterr().err


def test_the_file_is_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "start.svg"
    assert main(["simulate", "--shards", "64", "--output", str(file)]) == 0
    assert f"the plot is in {file}" in capsys.readouterr().out
    root = ET.fromstring(file.read_text(encoding="utf-8"))
    assert len(root.findall("{http://www.w3.org/2000/svg}polyline")) == 2


def test_a_file_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--shards", "2", "--output", str(tmp_path)]) == 1
    assert f"{tmp_path} cannot be written to: Is a directory" in capsys.readouterr().err
