"""UC1: a meter becomes active - recognised, proved, checked, set, given keys; or quarantined."""

from __future__ import annotations

from ferraris.headend.registration.checking import Tolerance
from ferraris.headend.registration.procedure import RegistrationPolicy
from ferraris.headend.registration.progress import Progress, progress_of
from ferraris.headend.registration.recognition import Known, Reason, recognise
from ferraris.headend.registration.registrar import Registrar
from ferraris.headend.registration.states import Step
from ferraris.headend.registration.strangers import Bounds, Strangers

__all__ = [
    "Bounds",
    "Known",
    "Progress",
    "Reason",
    "Registrar",
    "RegistrationPolicy",
    "Step",
    "Strangers",
    "Tolerance",
    "progress_of",
    "recognise",
]
