"""Physical units of scaler_unit, and scaling without rounding.

A physical value is the stored value times ten to the scaler. `scale` gives an int or a Decimal,
never a float. Codes 58, 59, 68, 69 and 73 to 127 are reserved or later additions. [facts-g]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ferraris.core.errors import UsageError

if TYPE_CHECKING:
    from decimal import Decimal

__all__ = ["UNITLESS", "UNITS", "Unit", "find", "scale", "text", "unit"]

UNITLESS = 255
"""The code of counts and states."""


class Unit(NamedTuple):
    """A unit: its code in scaler_unit, its symbol, its name and the quantity it measures.

    `provenance` is "memory" where only memory supports the exact meaning of the code.
    """

    code: int
    symbol: str
    name: str
    quantity: str
    provenance: str = ""

    def __str__(self) -> str:
        return self.symbol


def unit(code: int) -> Unit:
    """The unit of a code; an unknown code gives a unit that says so, its symbol is `unit 99`."""
    known = UNITS.get(code)
    return known if known is not None else Unit(code, f"unit {code}", "unknown", "", "memory")


def find(symbol: str) -> Unit:
    """The first unit of a symbol, exact spelling; `UsageError` when there is none."""
    for known in UNITS.values():
        if known.symbol == symbol:
            return known
    raise UsageError(f"no unit has the symbol {symbol[:40]!r}")


def scale(value: int | float | Decimal, scaler: int) -> int | Decimal:
    """`value` times ten to the `scaler`, exact: an int where scaler >= 0, else a Decimal.

    A Decimal keeps all digits of the scaler (1500 with -3 is 1.500). A float counts as the
    shortest decimal that reads back as it. `UsageError` for a scaler outside -128 to 127 and for
    a value that is no number.
    """
    if not -128 <= scaler <= 127:
        raise UsageError(f"a scaler is -128 to 127, not {scaler}")
    if isinstance(value, int):
        if scaler >= 0:
            power: int = 10**scaler
            return int(value) * power
        return _decimal(f"{int(value)}e{scaler}")
    exact = _decimal(repr(value) if isinstance(value, float) else str(value))
    if not exact.is_finite():
        raise UsageError(f"{value} cannot be scaled")
    sign, digits, exponent = exact.as_tuple()
    number = "".join(map(str, digits))
    return _decimal(f"{'-' if sign else ''}{number}e{int(exponent) + scaler}")


def text(value: int | float | Decimal, scaler: int, code: int = UNITLESS) -> str:
    """The scaled value with its unit for people: `54.321 m³`."""
    number = f"{scale(value, scaler):f}" if scaler < 0 else str(scale(value, scaler))
    return number if code == UNITLESS else f"{number} {unit(code).symbol}"


def _decimal(spelling: str) -> Decimal:
    from decimal import Decimal  # noqa: PLC0415 - costs more to import than this whole room

    return Decimal(spelling)


_TABLE = """
1|a|year|time
2|mo|month|time
3|wk|week|time
4|d|day|time
5|h|hour|time
6|min|minute|time
7|s|second|time
8|°|degree|phase angle
9|°C|degree Celsius|temperature
10|currency|currency|money
11|m|metre|length
12|m/s|metre per second|speed
13|m³|cubic metre|volume
14|m³|cubic metre, corrected|corrected volume
15|m³/h|cubic metre per hour|volume flux
16|m³/h|cubic metre per hour, corrected|corrected volume flux
17|m³/d|cubic metre per day|volume flux
18|m³/d|cubic metre per day, corrected|corrected volume flux
19|l|litre|volume
20|kg|kilogram|mass
21|N|newton|force
22|N·m|newton metre|energy
23|Pa|pascal|pressure
24|bar|bar|pressure
25|J|joule|energy
26|J/h|joule per hour|thermal power
27|W|watt|active power
28|VA|volt-ampere|apparent power
29|var|var|reactive power
30|Wh|watt-hour|active energy
31|VAh|volt-ampere-hour|apparent energy
32|varh|var-hour|reactive energy
33|A|ampere|current
34|C|coulomb|electrical charge
35|V|volt|voltage
36|V/m|volt per metre|electric field strength
37|F|farad|capacitance
38|Ω|ohm|resistance
39|Ω·m|ohm metre|resistivity
40|Wb|weber|magnetic flux
41|T|tesla|magnetic flux density
42|A/m|ampere per metre|magnetic field strength
43|H|henry|inductance
44|Hz|hertz|frequency
45|1/Wh|pulses per watt-hour|active energy meter constant
46|1/varh|pulses per var-hour|reactive energy meter constant
47|1/VAh|pulses per volt-ampere-hour|apparent energy meter constant
48|V²h|volt-squared hour|voltage squared over time
49|A²h|ampere-squared hour|current squared over time
50|kg/s|kilogram per second|mass flux
51|S|siemens|conductance
52|K|kelvin|temperature
53|1/V²h|pulses per volt-squared hour|volt-squared hour meter constant
54|1/A²h|pulses per ampere-squared hour|ampere-squared hour meter constant
55|1/m³|pulses per cubic metre|volume meter constant
56|%|percent|ratio
57|Ah|ampere-hour|electrical charge
60|Wh/m³|watt-hour per cubic metre|energy per volume
61|J/m³|joule per cubic metre|calorific value, Wobbe index
62|mol %|mole percent|molar fraction
63|g/m³|gram per cubic metre|mass density
64|Pa·s|pascal second|dynamic viscosity
65|J/kg|joule per kilogram|specific energy
66|g/cm²|gram per square centimetre|pressure
67|atm|standard atmosphere|pressure
70|dBm|decibel-milliwatt|signal strength
71|dBµV|decibel-microvolt|signal strength
72|dB|decibel|logarithmic ratio
128|in|inch|length
129|ft|foot|length
130|lb|pound|mass
131|°F|degree Fahrenheit|temperature
132|°R|degree Rankine|temperature
133|in²|square inch|area
134|ft²|square foot|area
135|acre|acre|area
136|in³|cubic inch|volume
137|ft³|cubic foot|volume
138|acre-ft|acre-foot|volume
139|gal (imp)|imperial gallon|volume
140|gal (US)|US gallon|volume
141|lbf|pound-force|force
142|psi|pound-force per square inch|pressure
143|lb/ft³|pound per cubic foot|density
144|lb/(ft·s)|pound per foot second|dynamic viscosity
145|ft²/s|square foot per second|kinematic viscosity
146|Btu|British thermal unit|energy
147|thm (EU)|therm, European Union|energy
148|thm (US)|therm, United States|energy
149|Btu/lb|British thermal unit per pound|specific energy
150|Btu/ft³|British thermal unit per cubic foot|calorific value
151|ft³|cubic foot, corrected|corrected volume|memory
152|ft/s|foot per second|speed
153|ft³/s|cubic foot per second|volume flux
154|ft³/min|cubic foot per minute|volume flux
155|ft³/h|cubic foot per hour|volume flux
156|ft³/d|cubic foot per day|volume flux
157|acre-ft/s|acre-foot per second|volume flux
158|acre-ft/min|acre-foot per minute|volume flux
159|acre-ft/h|acre-foot per hour|volume flux
160|acre-ft/d|acre-foot per day|volume flux
161|gal (imp)|imperial gallon, corrected|corrected volume|memory
162|gal (imp)/s|imperial gallon per second|volume flux
163|gal (imp)/min|imperial gallon per minute|volume flux
164|gal (imp)/h|imperial gallon per hour|volume flux
165|gal (imp)/d|imperial gallon per day|volume flux
166|gal (US)|US gallon, corrected|corrected volume|memory
167|gal (US)/s|US gallon per second|volume flux
168|gal (US)/min|US gallon per minute|volume flux
169|gal (US)/h|US gallon per hour|volume flux
170|gal (US)/d|US gallon per day|volume flux
171|Btu/s|British thermal unit per second|thermal power
172|Btu/min|British thermal unit per minute|thermal power
173|Btu/h|British thermal unit per hour|thermal power
174|Btu/d|British thermal unit per day|thermal power
254|other|other unit|other
255||no unit|count or state
"""


def _units() -> dict[int, Unit]:
    table: dict[int, Unit] = {}
    for line in _TABLE.strip().split("\n"):
        code, *fields = line.split("|")
        table[int(code)] = Unit(int(code), *fields)
    return table


UNITS = _units()
"""Every known unit by its code."""
