"""What stands in an archive for a customer, in plain words of two languages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["EXPLANATIONS"]

_ENGLISH: Final = """\
Your metering data
==================

This archive holds what the metering system of your utility keeps about you under the reference
{customer}. It was made on {made}. All times are UTC (Coordinated Universal Time): in Central
Europe it is one hour later by the clock in winter, two hours later in summer.

customer.json    who this is about, and which meter measured for you from when until when
assignments.csv  the same as a table
readings.csv     every value that your meters reported: each row is one value at one time, the end
                 of the interval or the moment of reading. "channel" is an international code of
                 what was measured: 1-0:1.8.0*255 is energy that you drew from the network,
                 1-0:2.8.0*255 energy that you fed in. "quality" 0 means that nothing is known
                 against the value. "version" counts corrections. Rows at the end without a time
                 came from a meter whose clock was wrong.
readings.json    the same for programs
validated.csv    the values after checking, where it took place: "final_quality" says whether a
                 value was measured or estimated, "final_rule" how
events.csv       what your meter noted itself, such as a power failure
alarms.csv       what your meter wanted to be noticed
edits.csv        values that somebody set by hand, and why
sessions.csv     when the system talked to your meter; how many values it brought
looks.csv        when somebody looked at your readings, and at which time span

The files ending in .csv open in a spreadsheet. You may ask your utility to correct these data or
to erase them. Erasing means that the key is destroyed without which nobody can read them.
"""

_GERMAN: Final = """\
Ihre Messdaten
==============

Dieses Archiv enthält, was das Messsystem Ihres Netzbetreibers unter dem Kennzeichen {customer} über
Sie speichert. Es wurde am {made} erstellt. Alle Zeiten sind koordinierte Weltzeit (UTC): In
Mitteleuropa zeigt die Uhr im Winter eine Stunde, im Sommer zwei Stunden mehr.

customer.json    um wen es geht, und welcher Zähler von wann bis wann für Sie gemessen hat
assignments.csv  dasselbe als Tabelle
readings.csv     jeder Wert, den Ihre Zähler gemeldet haben: eine Zeile ist ein Wert zu einer Zeit,
                 dem Ende des Messzeitraums oder dem Augenblick der Ablesung. "channel" ist eine
                 internationale Kennzahl dessen, was gemessen wurde: 1-0:1.8.0*255 ist Energie, die
                 Sie aus dem Netz bezogen, 1-0:2.8.0*255 Energie, die Sie eingespeist haben.
                 "quality" 0 heißt, dass nichts gegen den Wert spricht. "version" zählt
                 Berichtigungen. Zeilen ohne Zeit am Ende stammen von einem Zähler, dessen Uhr
                 falsch ging.
readings.json    dasselbe für Programme
validated.csv    die Werte nach der Prüfung, wo sie stattfand: "final_quality" sagt, ob ein Wert
                 gemessen oder geschätzt wurde, "final_rule", wie
events.csv       was Ihr Zähler selbst vermerkt hat, etwa einen Stromausfall
alarms.csv       worauf Ihr Zähler aufmerksam machen wollte
edits.csv        Werte, die jemand von Hand gesetzt hat, und warum
sessions.csv     wann das System mit Ihrem Zähler gesprochen hat; wie viele Werte es mitbrachte
looks.csv        wann jemand Ihre Messwerte angesehen hat, und aus welchem Zeitraum

Die Dateien mit der Endung .csv öffnet jede Tabellenkalkulation. Sie können von Ihrem Netzbetreiber
verlangen, diese Daten zu berichtigen oder zu löschen. Löschen heißt: Der Schlüssel wird vernichtet,
ohne den niemand sie lesen kann.
"""

EXPLANATIONS: Final[Mapping[str, str]] = MappingProxyType({"en": _ENGLISH, "de": _GERMAN})
"""By language; `customer` and `made` are to be filled in."""
