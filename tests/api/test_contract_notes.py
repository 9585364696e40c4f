"""Contract notes over the API: as data, on paper, corrected, handed over, and those that are due."""

from __future__ import annotations

from margin.contract_notes.content import hash_of
from margin.contract_notes.issuing import issue_due
from margin.models import Client
from tests.builders import at

from .conftest import problem
from .test_settlements import sold


def test_a_firm_reads_corrects_and_hands_over_its_notes(db):
    world, system = sold()
    with at("2026-03-26 09:00"):
        [due] = system.get("contract-note-alerts").json()["results"]
        assert (due["what"], due["due_on"], due["note"]) == ("not_issued", "2026-03-27", None)
        issue_due(broker=world.broker)
        [row] = system.get("contract-notes", client="C002", is_in_force="true").json()["results"]
        address = f"contract-notes/{row['id']}"
        note = system.get(address).json()
        assert (note["reference"], note["asset"]) == ("CN-2026-000001", "00005")
        assert note["content"]["net"] == note["net"]
        paper = system.get(f"{address}/document.pdf")
        assert paper["Content-Type"] == "application/pdf"
        assert hash_of(paper.content) == note["document_hash"]
        problem(system.post(f"{address}:correct", {"reason": "why"}), 409, "nothing_to_correct")
        Client.objects.update(name="Ho Ka-yan")
        later = system.post(f"{address}:correct", {"reason": "name misspelt"}).json()
        assert (later["reference"], later["corrects"]) == ("CN-2026-000001/2", "CN-2026-000001")
        assert system.get(address).json()["is_in_force"] is False
        [due] = system.get("contract-note-alerts").json()["results"]
        assert (due["what"], due["note"]) == ("not_given", "CN-2026-000001/2")
        handed = {"channel": "post", "handed_on": "2026-03-26"}
        assert system.post(f"contract-notes/{later['id']}:hand-over", handed).status_code == 200
        assert system.get("contract-note-alerts").json()["results"] == []
