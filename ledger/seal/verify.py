"""Judge the proof that a journal lies in a sealed block, without the database that made it.

    python -m ledger.seal.verify proof.json [--anchor FILE]

A proof holds a journal as it was booked, its place and path in the block's tree, and the headers of that block and those
after it. Everything it says is hashed, so any change shows. What a proof alone cannot show is a whole chain made anew;
that takes a hash kept outside, by `manage.py seal --anchor` or by a consumer of `ledger.block.sealed`.

Only the standard library is used: this file may be given to an auditor by itself.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import struct
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT = "lombard.proof/1"
FIRST_PREVIOUS_HASH = "0" * 64

PROOF_FIELDS = ("format", "journal", "place", "path", "blocks")
JOURNAL_FIELDS = (
    "id",
    "transaction",
    "book",
    "key",
    "kind",
    "value_on",
    "booked_at",
    "actor",
    "cause",
    "narrative",
    "reversal_of",
    "hold",
    "entry_count",
)
ENTRY_FIELDS = (
    "position",
    "role",
    "asset",
    "scale",
    "owner",
    "location",
    "slot",
    "amount_atoms",
    "balance_atoms",
    "version",
)
HEADER_FIELDS = (
    "book",
    "number",
    "from_transaction",
    "to_transaction",
    "journal_count",
    "entry_count",
    "merkle_root",
    "previous_hash",
    "sealed_at",
)
MAY_BE_ABSENT = frozenset({"reversal_of", "hold"})

_TEXT_TYPE = 25
_LEAF, _NODE, _BLOCK = b"\x00", b"\x01", b"\x02"
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


class ProofRejected(Exception):
    """The proof does not show what it claims; the message says where it fails."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A block's hash as it was kept outside the database."""

    book: str
    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a good proof shows. `anchored` are the numbers of the blocks whose hash was also kept outside."""

    journal: str
    book: str
    block: int
    newest: int
    newest_hash: str
    anchored: tuple[int, ...]


def record(fields: Sequence[str | None]) -> bytes:
    """Write texts so that no two rows give the same bytes: how many, then type, length and UTF-8 of each.

    >>> record(["a", None]).hex()
    '0000000200000019000000016100000019ffffffff'
    """
    parts = [struct.pack(">i", len(fields))]
    for field in fields:
        if field is None:
            parts.append(struct.pack(">ii", _TEXT_TYPE, -1))
        else:
            text = field.encode()
            parts += [struct.pack(">ii", _TEXT_TYPE, len(text)), text]
    return b"".join(parts)


def leaf_hash(journal: Mapping[str, Any]) -> bytes:
    """Hash a journal with its entries in the order of their positions."""
    told = record([journal[name] for name in JOURNAL_FIELDS])
    lines = [record([entry[name] for name in ENTRY_FIELDS]) for entry in journal["entries"]]
    return hashlib.sha256(_LEAF + told + b"".join(lines)).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()


def header_hash(header: Mapping[str, Any]) -> str:
    """Hash a block's header; in hexadecimal, as headers name each other."""
    return hashlib.sha256(_BLOCK + record([header[name] for name in HEADER_FIELDS])).hexdigest()


def tree(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """Return the levels of the tree over `leaves`, the root's last; one without a neighbour moves up as it is."""
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        nodes = levels[-1]
        joined = [node_hash(nodes[n], nodes[n + 1]) for n in range(0, len(nodes) - 1, 2)]
        levels.append(joined + ([nodes[-1]] if len(nodes) % 2 else []))
    return levels


def path_to(leaves: Sequence[bytes], place: int) -> list[bytes]:
    """Return the neighbours that lead from the leaf at `place` (from 0) to the root."""
    path = []
    for nodes in tree(leaves)[:-1]:
        if place ^ 1 < len(nodes):
            path.append(nodes[place ^ 1])
        place //= 2
    return path


def root_from(leaf: bytes, place: int, size: int, path: Sequence[bytes]) -> bytes:
    """Return the root that a path leads to. Raises :class:`ProofRejected` when it is too short or too long."""
    if not 0 <= place < size:
        raise ProofRejected(f"place {place} is outside a block of {size} journals")
    node = leaf
    left = list(path)
    while size > 1:
        if place ^ 1 < size:
            if not left:
                raise ProofRejected("the path is too short")
            other = left.pop(0)
            node = node_hash(other, node) if place % 2 else node_hash(node, other)
        place, size = place // 2, (size + 1) // 2
    if left:
        raise ProofRejected("the path is too long")
    return node


def verify(proof: object, anchors: Iterable[Anchor] | None = None) -> Verdict:
    """Judge a parsed proof. With `anchors`, at least one block of it must be among them and none may differ.

    Raises :class:`ProofRejected`, saying what does not fit.
    """
    told = _fields(proof, PROOF_FIELDS, "proof")
    if told["format"] != FORMAT:
        raise ProofRejected(f"not a proof of the form {FORMAT}")
    journal = _journal(told["journal"])
    headers = _chain(told["blocks"])
    block = headers[0]
    if journal["book"] != block["book"]:
        raise ProofRejected("the journal is of another book than the block")
    if (
        not _number(block, "from_transaction")
        <= _number(journal, "transaction")
        < _number(block, "to_transaction")
    ):
        raise ProofRejected("the journal's transaction lies outside the block")
    place, path = told["place"], told["path"]
    if isinstance(place, bool) or not isinstance(place, int):
        raise ProofRejected("the place is not a whole number")
    if not isinstance(path, list) or not all(isinstance(step, str) and _DIGEST.match(step) for step in path):
        raise ProofRejected("the path is not a list of hashes")
    steps = [bytes.fromhex(step) for step in path]
    root = root_from(leaf_hash(journal), place, _number(block, "journal_count"), steps)
    if root.hex() != block["merkle_root"]:
        raise ProofRejected("the journal does not lead to the root of the block")
    newest = headers[-1]
    return Verdict(
        journal=journal["id"],
        book=block["book"],
        block=_number(block, "number"),
        newest=_number(newest, "number"),
        newest_hash=newest["hash"],
        anchored=() if anchors is None else _anchored(headers, anchors),
    )


def _journal(value: object) -> dict[str, Any]:
    journal = _fields(value, (*JOURNAL_FIELDS, "entries"), "journal")
    _texts(journal, JOURNAL_FIELDS, "journal")
    entries = journal["entries"]
    if not isinstance(entries, list) or len(entries) != _number(journal, "entry_count"):
        raise ProofRejected("the journal does not have the entries it says it has")
    for position, value in enumerate(entries, start=1):
        entry = _fields(value, ENTRY_FIELDS, "entry")
        _texts(entry, ENTRY_FIELDS, "entry")
        if entry["position"] != str(position):
            raise ProofRejected("the entries are not in their order")
    return journal


def _chain(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not value:
        raise ProofRejected("the proof names no block")
    headers: list[dict[str, Any]] = []
    for each in value:
        header = _fields(each, (*HEADER_FIELDS, "hash"), "block")
        _texts(header, (*HEADER_FIELDS, "hash"), "block")
        number = _number(header, "number")
        if header_hash(header) != header["hash"]:
            raise ProofRejected(f"block {number} has another hash than it says")
        if headers:
            last = headers[-1]
            if (
                header["book"] != last["book"]
                or number != _number(last, "number") + 1
                or header["from_transaction"] != last["to_transaction"]
                or header["previous_hash"] != last["hash"]
            ):
                raise ProofRejected(f"block {number} does not follow the one before it")
        headers.append(header)
    first = headers[0]
    if (first["number"] == "1") != (first["previous_hash"] == FIRST_PREVIOUS_HASH):
        raise ProofRejected("only the first block follows nothing")
    return headers


def _anchored(headers: Sequence[Mapping[str, Any]], anchors: Iterable[Anchor]) -> tuple[int, ...]:
    kept = [anchor for anchor in anchors if anchor.book == headers[0]["book"]]
    hashes = {_number(header, "number"): header["hash"] for header in headers}
    found = [anchor for anchor in kept if anchor.number in hashes]
    for anchor in found:
        if anchor.hash != hashes[anchor.number]:
            raise ProofRejected(f"block {anchor.number} has another hash than the one kept outside")
    if not found:
        raise ProofRejected("none of the blocks is among the hashes kept outside")
    return tuple(sorted({anchor.number for anchor in found}))


def _fields(value: object, names: Sequence[str], what: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(names):
        raise ProofRejected(f"the {what} does not have the fields {', '.join(names)}")
    return value


def _texts(row: Mapping[str, Any], names: Iterable[str], what: str) -> None:
    for name in names:
        text = row[name]
        if text is None and name in MAY_BE_ABSENT:
            continue
        if not isinstance(text, str) or _has_surrogate(text):
            raise ProofRejected(f"{name} of the {what} is not a text")


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def _number(row: Mapping[str, Any], name: str) -> int:
    text: str = row[name]
    if not re.fullmatch(r"0|[1-9][0-9]{0,30}", text, re.ASCII):
        raise ProofRejected(f"{name} is not a number")
    return int(text)


def read(text: str) -> object:
    """Parse a proof's JSON; a name given twice is refused, because readers differ in which one they take."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ProofRejected("a name is given twice")
        return found

    try:
        return json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise ProofRejected(f"not JSON: {error}") from error


def read_anchors(text: str) -> list[Anchor]:
    """Read lines of `number hash sealed-at book`, as `manage.py seal --anchor` writes them."""
    anchors = []
    for line in filter(None, text.splitlines()):
        parts = line.split(" ", 3)
        if len(parts) != 4 or not parts[0].isdecimal() or not _DIGEST.match(parts[1]):
            raise ProofRejected(f"not a line of an anchor file: {line[:80]}")
        anchors.append(Anchor(book=parts[3], number=int(parts[0]), hash=parts[1]))
    return anchors


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="ledger.seal.verify", description="Judge a proof of a journal.")
    parser.add_argument("proof", type=Path, help="the proof, as manage.py prove or the API gave it")
    parser.add_argument(
        "--anchor", type=Path, help="hashes kept outside; one of the proof's blocks must be there"
    )
    given = parser.parse_args(arguments)
    try:
        anchors = read_anchors(given.anchor.read_text(encoding="utf-8")) if given.anchor else None
        verdict = verify(read(given.proof.read_text(encoding="utf-8")), anchors)
    except (ProofRejected, UnicodeDecodeError) as rejected:
        print(f"REJECTED: {rejected}")
        return 1
    print(f"journal {verdict.journal} lies in block {verdict.block} of {verdict.book}")
    print(f"the chain holds to block {verdict.newest}, {verdict.newest_hash}")
    if verdict.anchored:
        print(f"kept outside too: block {', '.join(map(str, verdict.anchored))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
