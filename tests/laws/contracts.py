"""A contract for import-linter: who may import what from outside the house (law 4).

`allowed` lists `importer -> imported` pairs, shell patterns on both sides. Whatever is neither in
the house nor in the standard library nor listed breaks the contract: a new dependency is a line
that somebody has to write, and somebody else to read.
"""

from __future__ import annotations

import sys
from fnmatch import fnmatchcase

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class ExternalsContract(Contract):
    """Modules import only the standard library and what `allowed` lists for them."""

    type_name = "externals"

    allowed = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Look at every import that leaves the house."""
        pairs = [tuple(part.strip() for part in line.split("->")) for line in self.allowed]
        broken = [
            (importer, external)
            for external in sorted(graph.modules)
            if graph.is_module_squashed(external) and external not in sys.stdlib_module_names
            for importer in sorted(graph.find_modules_that_directly_import(external))
            if not any(fnmatchcase(importer, a) and fnmatchcase(external, b) for a, b in pairs)
        ]
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Name every import that nobody allowed."""
        for importer, external in check.metadata["broken"]:
            output.print_error(f"{importer} is not allowed to import {external}.", bold=False)
        output.new_line()
