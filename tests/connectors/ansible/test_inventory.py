"""Inventories are read by Ansible itself, and read again when a file of them changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from eucora.connectors.ansible.hosts import main, parse_rings, write_inventory
from eucora.connectors.ansible.inventory import InventoryReader
from eucora.connectors.ansible.settings import AnsibleSettings
from eucora.domain.errors import PlaneNotFound, PlanePermanent
from eucora.domain.vocabulary import SiteClass

INI = """
[lab]
web-[1:2].example.test site=harbour

[rings:children]
lab

[rings:vars]
site_class=intermittent
"""


def reader(folder: Path, inventory: Path) -> InventoryReader:
    return InventoryReader(AnsibleSettings(plane="ansible", inventory=inventory, state=folder))


async def test_a_folder_of_files_is_one_inventory_and_is_cached_until_one_changes(tmp_path: Path) -> None:
    pytest.importorskip("ansible", reason="the extra `ansible` is not installed")
    folder = tmp_path / "inventory"
    folder.mkdir()
    (folder / "hosts.ini").write_text(INI, "utf-8")
    (folder / "more.yml").write_text(yaml.safe_dump({"canary": {"hosts": {"db": {"site": "quay"}}}}), "utf-8")
    inventory = reader(tmp_path, folder)
    found = await inventory.read()
    assert found.members("rings") == ("web-1.example.test", "web-2.example.test")
    web = found.hosts["web-1.example.test"]
    assert (web.site, web.site_class, web.groups) == ("harbour", SiteClass.INTERMITTENT, ("lab", "rings"))
    assert found.hosts["db"].site == "quay"
    assert await inventory.read() is found

    (folder / "more.yml").write_text(yaml.safe_dump({"pilot": {"hosts": {"db": {}}}}), "utf-8")
    changed = await inventory.read()
    assert changed.members("pilot") == ("db",)
    with pytest.raises(PlaneNotFound):
        changed.members("canary")


async def test_an_inventory_that_ansible_cannot_read_is_not_an_empty_one(tmp_path: Path) -> None:
    pytest.importorskip("ansible", reason="the extra `ansible` is not installed")
    broken = tmp_path / "broken.yml"
    broken.write_text("lab: [this is: not an inventory", "utf-8")
    with pytest.raises(PlanePermanent) as caught:
        await reader(tmp_path, broken).read()
    assert caught.value.code == "inventory_unreadable"
    assert "broken.yml" in caught.value.sentence


async def test_an_inventory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlanePermanent, match="EUCORA_ANSIBLE_INVENTORY"):
        await reader(tmp_path, tmp_path / "absent.yml").read()


class TestLocalHosts:
    def test_every_host_is_a_folder_in_its_ring(self, tmp_path: Path) -> None:
        path = write_inventory(tmp_path, {"lab": 1, "canary": 2}, site="quay", site_class=SiteClass.INTERMITTENT)
        written = yaml.safe_load(path.read_text("utf-8"))["all"]
        assert written["vars"] == {"ansible_connection": "local", "site": "quay", "site_class": "intermittent"}
        assert list(written["children"]["canary"]["hosts"]) == ["canary-01", "canary-02"]
        root = Path(written["children"]["lab"]["hosts"]["lab-01"]["eucora_root"])
        assert root.is_dir()
        assert root.is_relative_to(tmp_path)

    def test_writing_again_leaves_the_hosts_alone(self, tmp_path: Path) -> None:
        write_inventory(tmp_path, {"lab": 1})
        kept = tmp_path / "hosts" / "lab-01" / "kept"
        kept.touch()
        write_inventory(tmp_path, {"lab": 1})
        assert kept.exists()

    @pytest.mark.parametrize("text", ["lab", "lab=x", "Lab=1", "lab=1,lab=2", "all=3", "lab=0", "lab=1001", ""])
    def test_malformed_rings_are_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"ring|hosts|RING"):
            parse_rings(text)

    def test_the_command_prints_where_the_inventory_is(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["--root", str(tmp_path), "--rings", "lab=1"]) == 0
        assert capsys.readouterr().out.strip() == str(tmp_path / "inventory.yml")
        with pytest.raises(SystemExit):
            main(["--root", str(tmp_path), "--rings", "lab"])
        assert "RING=NUMBER" in capsys.readouterr().err
