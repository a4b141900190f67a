from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from simulator import Config, Simulator


def test_nothing_is_left_running() -> None:
    before = threading.active_count()
    with Simulator() as sim:
        url = sim.workspace_url
        assert httpx.get(url).status_code == 401
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_open_connections_do_not_hold_up_the_end(start: Any, connect: Any) -> None:
    sim = start()
    clients = [connect(sim) for _ in range(5)]
    assert [client.get("").status_code for client in clients] == [200] * 5
    sim.stop()
    with pytest.raises(httpx.TransportError):
        clients[0].get("")


def test_an_outage_keeps_state_and_port(start: Any, connect: Any, bhp: dict[str, Any]) -> None:
    sim = start()
    client = connect(sim)
    client.post("/instruments", json=bhp)
    url = sim.url
    sim.stop()
    with pytest.raises(httpx.TransportError):
        client.get("/instruments")
    sim.start()
    assert sim.url == url
    assert client.get("/instruments/bhp.xasx").status_code == 200


def test_many_clients_at_once(start: Any, connect: Any) -> None:
    sim = start()
    failures: list[object] = []

    def write(first: int) -> None:
        client = connect(sim)
        for number in range(first, first + 20):
            body = {"name": "n", "identifier": f"i{number}", "type_id": "equity"}
            status = client.post("/instruments", json=body).status_code
            if status != 201:
                failures.append(status)

    threads = [threading.Thread(target=write, args=(first * 20,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(sim.state()["instruments"]) == 160


@pytest.mark.parametrize("by_file", [True, False])
def test_a_process_of_its_own(tmp_path: Path, by_file: bool) -> None:
    command = [sys.executable, "-W", "error", "-m", "simulator", "--port", "0"]
    if by_file:
        path = tmp_path / "simulator.yaml"
        path.write_text(yaml.safe_dump({"preset": "guide", "workspaces": [{"slug": "mine"}]}))
        command += ["--config", str(path)]
    else:
        command += ["--preset", "hostile"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    words = child.stdout.readline().split()
    address = words[1]
    workspace = words[2].removeprefix("workspace=")
    token = words[3].removeprefix("token=")
    assert words[0] == "simulator"
    assert workspace == ("mine" if by_file else "demo")
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx.get(f"{address}/workspaces/{workspace}", headers=headers)
    assert answer.status_code == 200
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=20)
    assert errors == ""
    assert child.returncode == 0


def test_config_files_are_strict(tmp_path: Path) -> None:
    path = tmp_path / "simulator.yaml"
    path.write_text("count_boddy: bare\n")
    with pytest.raises(ValueError, match="count_boddy"):
        Config.load(path)


def test_the_simulator_shares_no_code_with_what_it_tests() -> None:
    code = (
        "import sys, simulator.__main__;"
        "print([m for m in ('armillary', 'prefect') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
