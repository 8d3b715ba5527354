"""One simulated CML server: its state, its sessions, and what is wrong with it now."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt

from cmlmanager.sandbox.cml.boot import BootTimes, Phase
from cmlmanager.sandbox.cml.certificates import ensure_certificate, fingerprint
from cmlmanager.sandbox.cml.faults import FAULTS, LICENCE_FAULTS, LicensingManner, Misbehaviour
from cmlmanager.sandbox.cml.licence import Licence
from cmlmanager.sandbox.cml.pace import Pace
from cmlmanager.sandbox.cml.seed import demo_worker, first_state, licence_for
from cmlmanager.sandbox.cml.state import CmlState, User

TOKEN_SECONDS = 86400
_ISSUER = "com.cisco.virl"


class SimulatedServer:
    """The CML server on one EC2 instance. `directory` keeps its state and certificate; `state_since` is epoch seconds."""

    def __init__(self, *, instance: dict[str, Any], directory: Path, username: str, password: str, boot: BootTimes) -> None:
        self.instance_id: str = instance["instance_id"]
        self.address: str = instance["public_address"]
        self.state_since: float = instance["state_since"]
        self.demo: str = instance.get("demo", "")
        self.password = password
        self.misbehaviour = Misbehaviour()
        self.requests: Counter[str] = Counter()
        self.licensing = LicensingManner()
        self.pace = Pace(boot.speed)
        self._told = False
        self.token_seconds = TOKEN_SECONDS
        self.consoles: dict[str, float] = {}
        self._boot = boot
        self._state_file = directory / "state.json"
        self._revoked: set[str] = set()
        worker = demo_worker(self.demo)
        self.fault = worker.fault if worker else ""
        try:
            self._state = CmlState.load(self._state_file)
        except FileNotFoundError:
            self._state = first_state(instance_id=self.instance_id, demo=self.demo, admin=username)
        self._state.power_on(self.state_since)
        self.save()
        self._directory = directory
        self.certificate = ensure_certificate(directory, hostname=self.state.hostname, address=self.address)
        self.certificates = 1

    def save(self) -> None:
        """Keep the state over restarts. Called after every change that somebody made; what time brings is worked out again."""
        self._state.schedule()
        self._state.save(self._state_file)
        self._told = False

    @property
    def state(self) -> CmlState:
        """What the server keeps, as it is now: whatever was due by now has happened."""
        self._state.settle(time.time())
        return self._state

    def licence(self) -> Licence:
        """The licence as it is now."""
        return self.state.licence

    def tell(self, category: str, **data: Any) -> None:
        """Remember in the telemetry what was done; it is kept over restarts with the next change, or at the end."""
        self.state.tell(category, time.time(), **data)
        self._told = True

    def close(self) -> None:
        """Keep what was told since the last change."""
        if self._told:
            self.save()

    def phase(self) -> Phase:
        """How far the server has booted; a silent one never begins."""
        return Phase.SILENT if self.fault == "silent" else self._boot.phase(time.time() - self.state_since)

    def can_start_nodes(self) -> bool:
        """Whether at least one compute host can: none while booting, none without hardware virtualisation."""
        admitted = any(self.state.admissions.get(host, "READY") == "READY" for host in self.state.computes())
        return self.phase() is Phase.READY and self.fault != "no_kvm" and admitted

    def listens(self) -> bool:
        """Whether a connection to its port is accepted."""
        return self.phase() is not Phase.SILENT and self.misbehaviour.mode != "refused"

    def set_fault(self, fault: str) -> None:
        """Switch a fault of the demo fleet; the licence follows it. Raises ValueError for an unknown one."""
        if fault not in FAULTS:
            raise ValueError(f"fault is one of {', '.join(map(repr, FAULTS))}; not {fault!r}")
        if fault in LICENCE_FAULTS or self.fault in LICENCE_FAULTS:
            self.state.licence = licence_for(fault, demo_worker(self.demo))
            self.save()
        self.fault = fault

    def new_certificate(self) -> None:
        """Show another certificate from now on, as a server does that was installed again."""
        self.certificate.unlink()
        ensure_certificate(self._directory, hostname=self.state.hostname, address=self.address)
        self.certificates += 1

    def set_misbehaviour(self, misbehaviour: Misbehaviour) -> None:
        """Misbehave so from now on; `token_expired` voids the tokens given out so far at once."""
        self.misbehaviour = misbehaviour
        if misbehaviour.mode == "token_expired":
            self.revoke_all()

    def use_misbehaviour(self) -> bool:
        """Whether this request gets the misbehaviour; counts down its `times`."""
        times = self.misbehaviour.times
        if times is None:
            return True
        self.misbehaviour = replace(self.misbehaviour, times=times - 1) if times > 1 else Misbehaviour()
        return times > 0

    def accepts(self, username: str, password: str) -> User | None:
        """The account, when the password is right. With the fault "refused" somebody has changed it."""
        user = self.state.user(username=username)
        right = self.fault != "refused" and user is not None and password == (user.password or self.password)
        return user if right else None

    def issue_token(self, user: User) -> str:
        """A session of 24 hours, unless told otherwise, as CML's: JWT, HS256."""
        now = int(time.time())
        claims = {"iss": _ISSUER, "sub": user.id, "iat": now, "exp": now + self.token_seconds, "jti": str(uuid.uuid4())}
        return jwt.encode(claims, self.state.jwt_secret, algorithm="HS256")

    def session(self, token: str) -> tuple[User, str] | None:
        """The account and the token's id, when the token is good."""
        try:
            claims = jwt.decode(token, self.state.jwt_secret, algorithms=["HS256"], issuer=_ISSUER)
        except jwt.InvalidTokenError:
            return None
        user = self.state.user(user_id=claims.get("sub", ""))
        return (user, claims["jti"]) if user and claims.get("jti") not in self._revoked else None

    def revoke(self, token_id: str) -> None:
        """End one session."""
        self._revoked.add(token_id)

    def revoke_all(self) -> None:
        """End all sessions."""
        self.state.renew_secret()
        self._revoked.clear()
        self.save()

    def report(self) -> dict[str, Any]:
        """What the control listener tells of this server."""
        return {
            "instance_id": self.instance_id,
            "address": self.address,
            "demo": self.demo,
            "phase": str(self.phase()),
            "mode": self.misbehaviour.mode,
            "fault": self.fault,
            "fingerprint": fingerprint(self.certificate),
            "labs": len(self.state.labs),
            "requests": dict(self.requests),
            "requests_total": self.requests.total(),
        }
